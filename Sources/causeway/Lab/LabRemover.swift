import CausewayKernel
import CausewayLinux
import Foundation
import Glibc

/// Takes a lab down: all that its record names, whether it was made or not.
///
/// Goes on where something cannot be removed, and says so at the end; may be repeated.
final class LabRemover {
    let folder: LabFolder
    let record: LabRecord
    private var obstacles: [String] = []

    init(_ folder: LabFolder, _ record: LabRecord) {
        self.folder = folder
        self.record = record
    }

    /// Daemons first, or they would make anew what is removed.
    func remove() async throws {
        await LabProcess.end(record.daemons.sorted { $0.key < $1.key }.map(\.value), patience: .seconds(10))
        await endProcesses()
        removeContainers()
        for host in record.topology.nodes { removeNamespaces(of: folder.node(host.name)) }
        for name in record.topology.hosts.map(\.namespace) + [LabTopology.underlay] { removeNamespace(name) }
        guard obstacles.isEmpty else {
            throw Failure(
                what: "the lab is not wholly gone", cause: obstacles.joined(separator: "; "),
                remedy: "see to it, and run causeway lab down again")
        }
        // Mounted only where /run is on a disk; nothing of it is in use any more.
        for node in (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [] {
            umount2("\(folder.path)/\(node)/memory", Int32(MNT_DETACH))
        }
        attempt("remove \(folder.path)") { try FileManager.default.removeItem(atPath: folder.path) }
        if let obstacle = obstacles.first { throw Failure(what: "cannot finish", cause: obstacle, remedy: "") }
    }

    private func attempt(_ what: String, _ body: () throws -> Void) {
        do { try body() } catch { obstacles.append("cannot \(what): \(error)") }
    }

    // MARK: containers

    /// Those of the nodes' tasks, by their label; those of users, by the namespace that they were to be started in.
    private func removeContainers() {
        let docker = LabDocker(record.engineSocket)
        let places = ownPlaces()
        attempt("remove the lab's containers") {
            var ids = Set(places)
            for host in record.topology.nodes {
                guard let id = folder.node(host.name).nodeID else { continue }
                let words = [
                    "ps", "--all", "--quiet", "--no-trunc", "--filter", "label=com.docker.swarm.node.id=\(id)",
                ]
                ids.formUnion(try docker.run(words).split(separator: "\n").map(String.init))
            }
            let servers = [
                "ps", "--all", "--quiet", "--no-trunc", "--filter", "label=\(HostServer.label)=\(folder.path)",
            ]
            ids.formUnion(try docker.run(servers).split(separator: "\n").map(String.init))
            let present = Set(
                try docker("ps", "--all", "--quiet", "--no-trunc").split(separator: "\n").map(String.init))
            let gone = ids.intersection(present).sorted()
            if !gone.isEmpty { try docker.run(["rm", "--force", "--volumes"] + gone) }
        }
        for id in places {
            attempt("forget the place of \(id)") {
                let path = "\(record.placesDirectory)/\(id)"
                if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
            }
        }
    }

    /// Containers whose place is in a namespace of the lab's.
    private func ownPlaces() -> [String] {
        let files = FileManager.default
        let names = (try? files.contentsOfDirectory(atPath: record.placesDirectory)) ?? []
        return names.sorted().filter { name in
            let place = files.contents(atPath: "\(record.placesDirectory)/\(name)") ?? Data()
            return String(decoding: place, as: UTF8.self).hasPrefix("\(folder.path)/")
        }
    }

    // MARK: processes and namespaces

    /// Keepers, daemons that somebody started by hand, and whatever else was started in the lab's namespaces.
    private func endProcesses() async {
        let inodes = Set(
            (record.topology.hosts.map(\.namespace) + [LabTopology.underlay]).compactMap { name in
                try? NetworkNamespace(name: name).inode
            })
        guard !inodes.isEmpty else { return }
        let own = getpid()
        let processes = ProcessTable.processes(inNamespaces: inodes).filter { $0 != own }.compactMap { LabProcess($0) }
        await LabProcess.end(processes, patience: .seconds(5))
    }

    private func removeNamespaces(of node: LabFolder.Node) {
        attempt("list \(node.namespaces)") {
            for name in try NetworkNamespace.names(in: node.namespaces) {
                try NetworkNamespace.delete(name: name, in: node.namespaces)
            }
        }
        // The folder is a mount of its own once there was a name in it.
        if umount2(node.namespaces, Int32(MNT_DETACH)) != 0, errno != EINVAL, errno != ENOENT {
            obstacles.append("cannot unmount \(node.namespaces): \(String(cString: strerror(errno)))")
        }
    }

    private func removeNamespace(_ name: String) {
        do throws(KernelError) {
            try NetworkNamespace.delete(name: name)
        } catch {
            // A lab that was made half way has not all of them.
            if error.reason != .notFound { obstacles.append("\(error)") }
        }
    }
}
