import CausewayModel
import Foundation

/// How a lab stands, node by node.
struct LabReport: Encodable {
    struct Node: Encodable {
        var name: String
        var addresses: [String]
        var pid: Int32
        var isAlive: Bool
        /// `manager`, `worker`, or `none`.
        var role: String
        /// As the manager says: `ready`, `down`; empty where there is no swarm.
        var state: String
        var availability: String
        /// The newest assignment's revision that the node has heard.
        var revision: UInt64?
        /// The one that its kernel agrees with.
        var applied: UInt64?
        /// What the node's kernel refused.
        var failures: [String]
        /// How it reaches the others through the tunnel.
        var peers: [ControlClient.Peer]
        var dockerHost: String
        var log: String
    }

    var directory: String
    var engineSocket: String
    var client: [String]
    var nodes: [Node]

    init(_ folder: LabFolder, _ record: LabRecord) {
        directory = folder.path
        engineSocket = record.engineSocket
        client = ["\(record.topology.client.v4)", "\(record.topology.client.v6)"]
        let statuses = Dictionary(
            uniqueKeysWithValues: record.topology.nodes.map { host in
                (host.name, try? ControlClient(socketPath: folder.node(host.name).controlSocket).status())
            })
        let managers = record.topology.nodes.filter { statuses[$0.name]??.role == "manager" }
        let members = managers.reduce(into: [:]) { members, manager in
            members.merge(LabReport.members(folder.node(manager.name).socket)) { first, _ in first }
        }
        nodes = record.topology.nodes.map { host in
            let place = folder.node(host.name)
            let status = statuses[host.name] ?? nil
            let started = record.daemons[host.name]
            return Node(
                name: host.name, addresses: ["\(host.v4)", "\(host.v6)"], pid: status?.pid ?? started?.id ?? 0,
                isAlive: status != nil || started?.isAlive ?? false, role: status?.role ?? "unknown",
                state: members[host.name]?.state ?? "", availability: members[host.name]?.availability ?? "",
                revision: status?.revision, applied: status?.applied, failures: status?.failures ?? [],
                peers: status?.peers ?? [], dockerHost: "unix://\(place.socket)", log: place.log)
        }
    }

    // MARK: what the manager says

    private struct Member: Decodable {
        var hostname: String
        var status: String
        var availability: String

        var state: String { status.lowercased() }

        enum CodingKeys: String, CodingKey {
            case hostname = "Hostname"
            case status = "Status"
            case availability = "Availability"
        }
    }

    /// As a manager lists them, by name; none where it does not answer.
    private static func members(_ socket: String) -> [String: Member] {
        guard let text = try? LabDocker(socket)("node", "ls", "--format", "{{json .}}") else { return [:] }
        let members = text.split(separator: "\n").compactMap {
            try? JSONDecoder().decode(Member.self, from: Data($0.utf8))
        }
        // One that left and came back is listed twice; the one that is here counts.
        return Dictionary(members.map { ($0.hostname, $0) }) { $0.state == "ready" ? $0 : $1 }
    }

    // MARK: as text

    var text: String {
        let head = ["NODE", "ADDRESSES", "PID", "ROLE", "STATE", "AVAILABILITY", "REVISION", "APPLIED"]
        let rows = nodes.map(\.row)
        let outside = ["client", client.joined(separator: " "), "", "", "", "", "", ""]
        let table = [head] + rows + [outside]
        let widths = head.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        let lines = table.map { row in
            zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
                .joined(separator: "  ").trimmingEnd
        }
        let failures = nodes.flatMap { node in node.failures.map { "\(node.name): \($0)" } }
        let notes = nodes.flatMap { node in
            node.peers.filter { !$0.note.isEmpty }.map { "\(node.name): the way to \($0.hostname): \($0.note)" }
        }
        return (lines + failures + notes).map { "\($0)\n" }.joined()
    }
}

extension LabReport.Node {
    fileprivate var row: [String] {
        func shown(_ text: String) -> String { text.isEmpty ? "-" : text.lowercased() }
        func shown(_ number: UInt64?) -> String { number.map { "\($0)" } ?? "-" }
        let process = isAlive ? "\(pid)" : "ended"
        return [name, addresses.joined(separator: " "), process, role]
            + [shown(state), shown(availability), shown(revision), shown(applied)]
    }
}

extension String {
    fileprivate var trimmingEnd: String { String(reversed().drop { $0 == " " }.reversed()) }
}
