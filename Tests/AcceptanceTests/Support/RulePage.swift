import Foundation

/// The page that shows a data path's rules with their reasons: the rules are a live kernel's, the reasons a file's.
struct RulePage {
    struct Chain: Equatable {
        /// Family and name: `inet causeway`.
        var table: String
        var name: String
        /// `nil` of a chain that others lead to.
        var base: String?
        var rules: [String] = []
    }

    /// By chain and rule, as ``key(_:)`` has it.
    private(set) var reasons: [String: String] = [:]
    /// The chains, as the reasons have them: a kernel lists them in the order in which they were made.
    private var order: [String] = []
    private(set) var used: Set<String> = []
    private(set) var missing: [String] = []

    var unused: [String] { reasons.keys.filter { !used.contains($0) }.sorted() }

    /// Reads a file of reasons; see the words at its beginning.
    init(reasons text: String) {
        var (chain, rule) = ("", "")
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            if line.hasPrefix("[") {
                chain = String(line.dropFirst().dropLast())
                order.append(chain)
            } else if line.hasPrefix(" ") {
                reasons["\(chain): \(rule)"] = line.trimmingCharacters(in: .whitespaces)
            } else {
                rule = String(line)
            }
        }
    }

    /// The chains of `nft list ruleset`, without what differs from node to node and from moment to moment.
    static func chains(_ listing: String) -> [Chain] {
        var chains: [Chain] = []
        var table = ""
        var isInChain = false
        for line in listing.split(separator: "\n") {
            let words = line.trimmingCharacters(in: .whitespaces)
            if words.hasPrefix("table ") {
                table = words.dropFirst(6).replacingOccurrences(of: " {", with: "")
            } else if words.hasPrefix("chain ") {
                isInChain = true
                chains.append(Chain(table: table, name: words.dropFirst(6).replacingOccurrences(of: " {", with: "")))
            } else if words == "}" {
                isInChain = false
            } else if isInChain, words.hasPrefix("type ") {
                chains[chains.count - 1].base = words
            } else if isInChain {
                chains[chains.count - 1].rules.append(steady(words))
            }
        }
        return chains
    }

    /// Without counts, and without the cluster's own prefix.
    private static func steady(_ rule: String) -> String {
        rule.replacing(/counter packets \d+ bytes \d+/, with: "counter")
            .replacing(/\bfd[0-9a-f:]+::1\b/, with: "fd..::1")
    }

    /// A rule's twins, for the other family and for the larger map, have its reason.
    static func key(_ rule: String) -> String {
        rule.replacing("ip6 daddr != ::1", with: "ip daddr != 127.0.0.0/8").replacing("ip6 ", with: "ip ")
            .replacing("fd..::1", with: "169.254.1.1").replacing("mod 256", with: "mod 64")
            .replacing("_256", with: "_64").replacing(/@([a-z]+)6\b/) { "@\($0.output.1)4" }
            .replacing(/@([a-z]+)6_/) { "@\($0.output.1)4_" }
    }

    mutating func render(_ chains: [Chain], preface: String) -> String {
        var lines = [preface]
        for chain in chains.sorted(by: { position($0) < position($1) }) {
            lines.append("## `\(chain.name)`, in `\(chain.table)`\n")
            lines.append((chain.base.map { "`\($0)`" } ?? "No hook: other chains lead here.") + "\n")
            lines.append("| Rule | Why |\n| --- | --- |")
            for rule in chain.rules { lines.append("| `\(Self.cell(rule))` | \(reason(rule, chain)) |") }
            lines.append("")
        }
        return lines.joined(separator: "\n")
    }

    /// A host's table has the plain names; a task's says whose it is.
    private func title(_ chain: Chain) -> String {
        chain.table == "inet causeway" ? chain.name : "\(chain.table) \(chain.name)"
    }

    private func position(_ chain: Chain) -> Int { order.firstIndex(of: title(chain)) ?? order.count }

    private mutating func reason(_ rule: String, _ chain: Chain) -> String {
        let key = "\(title(chain)): \(Self.key(rule))"
        guard used.insert(key).inserted else { return "As its twin above." }
        guard let reason = reasons[key] else {
            missing.append(key)
            return ""
        }
        return Self.cell(reason)
    }

    /// A bar ends a cell, in code too.
    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
