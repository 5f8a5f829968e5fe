import CausewayModel
import Foundation

/// Where a lab keeps what it has: a folder for each node, and the record of what was made.
struct LabFolder {
    static let usual = "/run/causeway-lab"

    let path: String

    var recordPath: String { "\(path)/lab.json" }
    /// Mounted on /etc/hosts for what `lab exec` runs.
    var hostsPath: String { "\(path)/hosts" }
    /// What `lab compare` leaves.
    var picturePath: String { "\(path)/compare.svg" }
    var loadScriptPath: String { "\(path)/load.lua" }

    func node(_ name: String) -> Node { Node(path: "\(path)/\(name)") }

    /// What one node's daemon uses.
    struct Node {
        let path: String

        var configuration: String { "\(path)/causewayd.json" }
        var log: String { "\(path)/causewayd.log" }
        var socket: String { "\(path)/docker.sock" }
        var controlSocket: String { "\(path)/control.sock" }
        var namespaces: String { "\(path)/netns" }
        var state: String { "\(path)/state" }
        /// The node's identifier; absent before its first start.
        var nodeID: String? {
            FileManager.default.contents(atPath: "\(state)/node-id")
                .map { String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines) }
        }
    }

    // MARK: the record

    /// The lab that is there; `nil` when there is none.
    func record() throws(Failure) -> LabRecord? {
        guard let data = FileManager.default.contents(atPath: recordPath) else { return nil }
        do {
            return try JSONDecoder().decode(LabRecord.self, from: data)
        } catch {
            throw Failure(
                what: "cannot read \(recordPath)", cause: "\(error)",
                remedy: "take the lab down with the release that made it")
        }
    }

    /// The lab that has to be there.
    func requireRecord() throws(Failure) -> LabRecord {
        guard let record = try record() else {
            throw Failure(what: "there is no lab in \(path)", cause: "no \(recordPath)", remedy: "causeway lab up")
        }
        return record
    }

    /// The control socket of the usual lab's manager, if the lab has a node of that name.
    static func usualManager(ofNode name: String) throws(Failure) -> String? {
        let folder = LabFolder(path: usual)
        guard let record = try folder.record(), record.topology.nodes.contains(where: { $0.name == name }) else {
            return nil
        }
        let sockets = record.fellows(of: name).map { folder.node($0).controlSocket }
        return sockets.first { (try? ControlClient(socketPath: $0).status().role) == "manager" }
    }

    func write(_ record: LabRecord) throws(Failure) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try make(path)
            try encoder.encode(record).write(to: URL(fileURLWithPath: recordPath), options: .atomic)
        } catch {
            throw Failure(what: "cannot write \(recordPath)", cause: "\(error)", remedy: "")
        }
    }

    /// Only root has business in it.
    func make(_ folder: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }
}

/// What `lab up` made, or was about to make: `lab down` removes this and nothing else.
struct LabRecord: Codable {
    var topology: LabTopology
    var engineSocket: String
    /// Where `causeway-oci` of that engine finds the places of containers.
    var placesDirectory: String
    /// The daemons that were started, by node.
    var daemons: [String: LabProcess] = [:]
    /// Its swarms: one, or two beside each other; absent in records of earlier releases.
    var swarms: [LabSwarm]?

    /// The nodes that can be the manager of a node's swarm.
    func fellows(of name: String) -> [String] {
        swarms?.first { $0.nodes.contains(name) }?.nodes ?? topology.nodes.map(\.name)
    }
}
