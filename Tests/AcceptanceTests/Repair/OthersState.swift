import Foundation

/// What of the machine's network is not ours, in lines.
struct OthersState: Sendable {
    private var lines: [String]

    static func read() async throws -> OthersState {
        let library = Machine.root.appending(path: "scripts/lib.sh").path
        let said = try await shell("bash", "-c", ". '\(library)' && network_state")
        return OthersState(lines: notOurs(said.lines))
    }

    /// What differs from an earlier state.
    ///
    /// Where an act took rules of others away and changed policies it `mayLack` some: then only what is new counts.
    func changes(since before: OthersState, mayLack: Bool) -> [String] {
        guard mayLack else {
            let difference = lines.difference(from: before.lines)
            return difference.map { change in
                switch change {
                case .insert(_, let line, _): "+ \(line)"
                case .remove(_, let line, _): "- \(line)"
                }
            }
        }
        let known = Set(before.lines.map(Self.withoutPolicy))
        return lines.filter { !known.contains(Self.withoutPolicy($0)) }.map { "+ \($0)" }
    }

    private static func withoutPolicy(_ line: String) -> String {
        line.replacing("policy accept;", with: "policy;").replacing("policy drop;", with: "policy;")
    }

    private static func notOurs(_ lines: [String]) -> [String] {
        var isOurTable = false
        return lines.filter { line in
            if line.hasPrefix("nft table ") { isOurTable = line.hasPrefix("nft table inet causeway ") }
            if line.hasPrefix("nft "), isOurTable { return false }
            let isOurs = [" cw-", ".cw-", "proto 213", "comment \"causeway\"", "link cw"].contains { line.contains($0) }
            // The two that are ours while there is a swarm.
            return !isOurs && !line.contains("forwarding") && !line.contains("ip_forward")
        }
    }
}

/// The rules of Docker Engine, to be put back after somebody threw them away.
struct OthersRules: Sendable {
    private var saved: [String: String]

    static func save() async throws -> OthersRules {
        var saved: [String: String] = [:]
        for tool in ["iptables", "ip6tables"] { saved[tool] = try await shell("\(tool)-save").out }
        return OthersRules(saved: saved)
    }

    func restore() async throws {
        for (tool, text) in saved {
            var command = Command(["\(tool)-restore"])
            command.input = text
            try await command.run()
        }
    }
}
