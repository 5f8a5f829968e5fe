import CausewayKernel
import CausewayModel

/// A table of iptables in lines.
struct SandboxRules {
    let table: IPTables.Table
    let names: SandboxNames
    let place: SandboxNames.Place

    init(_ table: IPTables.Table, _ names: SandboxNames, _ place: SandboxNames.Place) {
        (self.table, self.names, self.place) = (table, names, place)
    }

    /// Whether a chain of the host has anything for the swarm.
    func isOfSwarm(_ chain: IPTables.Chain) -> Bool { chain.rules.contains { isOfSwarm($0) } }

    private func isOfSwarm(_ rule: IPTables.Rule) -> Bool {
        rule.text.contains(SandboxNames.bridge) || rule.target == .jump("DOCKER-INGRESS")
    }

    /// In the kernel's order; but rules of one kind beside one another exclude each other, and are sorted.
    func lines(_ chain: IPTables.Chain, isHost: Bool) -> [String] {
        let rules = chain.rules.filter { !isHost || chain.name == "DOCKER-INGRESS" || isOfSwarm($0) }
        var lines: [String] = []
        var start = 0
        for (position, rule) in rules.enumerated() {
            let text = text(rule.text, chain)
            if position > 0, Self.kind(rule) != Self.kind(rules[position - 1]) {
                lines[start...].sort()
                start = lines.count
            }
            lines.append(text)
        }
        lines[start...].sort()
        if let policy = chain.policy, policy != "ACCEPT", !isHost { lines.append("policy \(policy)") }
        return lines
    }

    /// The target's word.
    private static func kind(_ rule: IPTables.Rule) -> Substring {
        let words = rule.text.split(separator: " ")
        guard let at = words.firstIndex(where: { $0 == "-j" || $0 == "-g" }), at + 1 < words.count else { return "" }
        return words[at + 1]
    }

    private func text(_ text: String, _ chain: IPTables.Chain) -> String {
        var previous: Substring = ""
        return text.split(separator: " ").map { word in
            defer { previous = word }
            return self.word(word, after: previous, in: chain)
        }.joined(separator: " ")
    }

    private func word(_ word: Substring, after option: Substring, in chain: IPTables.Chain) -> String {
        switch option {
        case "--set-xmark", "--set-mark", "--mark": return mark(word)
        case "--sport" where chain.name == "DOCKER_POSTROUTING": return "RESOLVER"
        case "-s", "-d": return CIDR(String(word)).map { names.subnet($0, place.host) } ?? address(word)
        default: return address(word)
        }
    }

    /// Of `0x104/0xffffffff` the mark's name, and the mask.
    private func mark(_ word: Substring) -> String {
        let parts = word.split(separator: "/")
        guard let first = parts.first, let number = UInt32(first.dropFirst(2), radix: 16) else { return String(word) }
        return ([names.mark(number, place)] + parts.dropFirst().map(String.init)).joined(separator: "/")
    }

    /// An address, maybe with a port; anything else is left as it is.
    private func address(_ word: Substring) -> String {
        let parts = word.split(separator: ":")
        guard parts.count <= 2, let address = parts.first.flatMap({ IPAddress(String($0)) }) else {
            return String(word)
        }
        // The engine's resolver listens where there was room.
        let port = address.isLoopback && parts.count == 2 ? ["RESOLVER"] : parts.dropFirst().map(String.init)
        return ([names.address(address, place.host)] + port).joined(separator: ":")
    }
}
