import CausewayKernel
import CausewayModel
import Foundation
import Glibc

/// Reads every network namespace of this host.
///
/// Changes nothing.
package struct InventoryReader: Sendable {
    /// Docker Engine's socket.
    package let enginePath: String
    /// Where namespaces have names.
    package let directories: [String]

    /// What the host is called.
    package let hostname: String
    /// Whether namespaces without a name, in which only processes live, are the host's too: not where it shares a
    /// machine with others.
    package let readsUnnamed: Bool

    package init(
        enginePath: String = "/var/run/docker.sock",
        directories: [String] = [NetworkNamespace.directory, "/run/docker/netns"],
        hostname: String = HostFacts.hostname, readsUnnamed: Bool = true
    ) {
        self.enginePath = enginePath
        self.directories = directories
        self.hostname = hostname
        self.readsUnnamed = readsUnnamed
    }

    /// What there is now.
    ///
    /// What cannot be read is a sentence in ``Inventory/gaps``; throws only if nothing can be.
    package func read() async throws -> Inventory {
        let taken = Timestamp.now
        var gaps: [String] = []
        let processes = ProcessTable(readsSockets: true)
        if processes.unreadable > 0 {
            gaps.append("the sockets of \(processes.unreadable) processes cannot be named: run as root")
        }
        let places = try places(processes, &gaps)
        async let engine = engine()
        var states = await read(places, processes, &gaps)
        states.sort { ($0.name == "host" ? 0 : 1, $0.name, $0.inode) < ($1.name == "host" ? 0 : 1, $1.name, $1.inode) }
        let (owners, engineState, missing) = await engine
        return Inventory(
            hostname: hostname, machine: Self.machine, takenAt: taken, namespaces: states, owners: owners,
            engine: engineState, gaps: gaps + missing)
    }

    /// The kernel's own number of this boot: namespaces' numbers mean something within it alone.
    package static var machine: String? {
        ProcFile.text("/proc/sys/kernel/random/boot_id")?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func engine() async -> ([Inventory.Owner], EngineState?, [String]) {
        do throws(EngineOwners.Unavailable) {
            let engine = EngineOwners(socketPath: enginePath)
            let (owners, gaps) = try engine.owners()
            let (state, more) = try engine.state()
            return (owners, state, gaps + more)
        } catch {
            return ([], nil, ["\(error): containers and services are not named"])
        }
    }

    // MARK: places

    /// A namespace, kept alive and found by a descriptor while it is read.
    private final class Place: Sendable {
        let name: String
        let path: String
        let inode: UInt64
        let descriptor: Int32

        /// Returns `nil` when there is no namespace at `path`.
        init?(name: String?, path: String) {
            descriptor = open(path, O_RDONLY | O_CLOEXEC)
            var (status, own) = (stat(), stat())
            guard descriptor >= 0, fstat(descriptor, &status) == 0, stat("/proc/self/ns/net", &own) == 0,
                // Only nsfs's: a name without a namespace is an empty file of another file system.
                status.st_dev == own.st_dev
            else {
                if descriptor >= 0 { close(descriptor) }
                return nil
            }
            self.name = name ?? "net:[\(status.st_ino)]"
            self.path = path
            inode = UInt64(status.st_ino)
        }

        deinit { close(descriptor) }
    }

    private func places(_ processes: ProcessTable, _ gaps: inout [String]) throws -> [Place] {
        guard let host = Place(name: "host", path: NetworkNamespace.host.path) else {
            throw KernelError("open \(NetworkNamespace.host.path)", errno: errno, advice: "is /proc mounted?")
        }
        var places = [host]
        var seen: Set = [host.inode]
        for directory in directories {
            guard let names = Directory.entries(directory) else {
                if errno != ENOENT { gaps.append("\(directory) cannot be read: \(String(cString: strerror(errno)))") }
                continue
            }
            for name in names {
                // A crash leaves names with no namespace behind them: there is nothing that a packet could meet.
                guard let place = Place(name: name, path: "\(directory)/\(name)") else { continue }
                if seen.insert(place.inode).inserted { places.append(place) }
            }
        }
        guard readsUnnamed else { return places }
        for (inode, process) in processes.ofNamespace.sorted(by: { $0.value < $1.value }) where !seen.contains(inode) {
            // A process that ended meanwhile took its namespace with it.
            guard let place = Place(name: nil, path: "/proc/\(process)/ns/net") else { continue }
            if seen.insert(place.inode).inserted { places.append(place) }
        }
        return places
    }

    // MARK: reading

    /// Reads all, a few at a time: each on a thread of its own.
    private func read(
        _ places: [Place], _ processes: ProcessTable, _ gaps: inout [String]
    ) async -> [NamespaceState] {
        await withTaskGroup(of: (NamespaceState?, [String]).self) { group in
            var rest = places[...]
            let width = 8
            for place in rest.prefix(width) { group.addTask { await read(place, places, processes) } }
            rest = rest.dropFirst(width)
            var states: [NamespaceState] = []
            var missing: [String] = []
            while let (state, more) = await group.next() {
                if let state { states.append(state) }
                missing += more
                if let place = rest.popFirst() { group.addTask { await read(place, places, processes) } }
            }
            gaps += missing.sorted()
            return states
        }
    }

    private func read(
        _ place: Place, _ all: [Place], _ processes: ProcessTable
    ) async -> (NamespaceState?, [String]) {
        do throws(KernelError) {
            // By descriptor: a name may lead elsewhere by now. The descriptor is this process's.
            return try await NetworkNamespace(path: "/proc/self/fd/\(place.descriptor)").performStep {
                let others = all.map { ($0.inode, $0.descriptor) }
                var reader = NamespaceReader(
                    name: place.name, path: place.path, inode: place.inode, others: others, processes: processes)
                reader.read()
                return withExtendedLifetime(all) { (reader.state, reader.gaps) }
            }
        } catch {
            return (nil, ["namespace \(place.name): \(error)"])
        }
    }
}

extension Timestamp {
    /// This moment, by the host's clock.
    static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: Int32(time.tv_nsec))
    }
}
