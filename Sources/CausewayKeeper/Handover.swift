import CLinux
import CausewayDNS
import CausewayModel
import CausewaySockets
import FoundationEssentials
import Glibc

/// Everything that one program of a keeper leaves to the next, which takes its place in the same process: the
/// descriptors by their numbers, and what belongs to each.
///
/// Written to a file without a name, as JSON. The two programs may be one release apart, so a field is never given
/// another meaning, and a new one has to be optional.
struct Handover: Codable {
    struct Port: Codable {
        var port: Kept.Port
        var held: HeldPort
    }

    struct Resolver: Codable {
        var task: Swarm.ID
        var table: Int
        var state: ResolverState
    }

    var door: ControlDoor.State
    var resolvers: [Resolver] = []
    /// Each once, however many resolvers answer from it.
    var tables: [NameTable] = []
    var past: DNSCounters
    var ports: [Port]
    var relay: Relay.State
    var upgrades: UInt64

    init(door: ControlDoor.State, resolvers: ResolverSet, ports: HeldPorts, upgrades: UInt64) {
        self.door = door
        past = resolvers.pastCounters
        self.ports = ports.all.map { Port(port: $0.key, held: $0.value) }
        relay = ports.relay.state
        self.upgrades = upgrades
        var numbers: [ObjectIdentifier: Int] = [:]
        for (task, (state, names)) in resolvers.states {
            let key = ObjectIdentifier(names)
            if numbers[key] == nil {
                numbers[key] = tables.count
                tables.append(names.table)
            }
            self.resolvers.append(Resolver(task: task, table: numbers[key] ?? 0, state: state))
        }
    }

    /// Every descriptor that goes along.
    private var descriptors: [CInt] {
        door.descriptors + resolvers.flatMap(\.state.descriptors) + ports.flatMap(\.held.descriptors)
            + relay.descriptors
    }

    struct Failed: Error, CustomStringConvertible { let description: String }

    /// Becomes the program at `path`, in the same process; returns only when that failed, and then nothing has changed.
    func execute(_ path: String, arguments: [String]) -> any Error {
        let file = clinux_memory_file("causeway-keeper")
        guard file >= 0 else { return SocketError(doing: "make a file for the state", errno: errno) }
        defer { close(file) }
        do {
            try Self.write(JSONEncoder().encode(self), to: file)
        } catch {
            return error
        }
        let words = [path] + arguments + ["--handover", "\(file)"]
        var pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        for descriptor in descriptors { _ = clinux_keep_across_exec(descriptor, 1) }
        execv(path, &pointers)
        let failure = SocketError(doing: "execute \(path)", errno: errno)
        for descriptor in descriptors { _ = clinux_keep_across_exec(descriptor, 0) }
        return failure
    }

    private static func write(_ data: Data, to file: CInt) throws {
        var rest = Array(data)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count > 0 else { throw SocketError(doing: "write the state", errno: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// What the program before left; its file is closed.
    static func read(_ file: CInt) throws -> Handover {
        defer { close(file) }
        guard lseek(file, 0, SEEK_SET) == 0 else {
            throw SocketError(doing: "read the state in descriptor \(file)", errno: errno)
        }
        var data = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            guard count >= 0 else { throw SocketError(doing: "read the state", errno: errno) }
            if count == 0 { break }
            data += buffer[..<count]
        }
        let state = try JSONDecoder().decode(Handover.self, from: data)
        for descriptor in state.descriptors { _ = clinux_keep_across_exec(descriptor, 0) }
        return state
    }
}
