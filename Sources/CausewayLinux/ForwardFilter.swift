import CausewayKernel
import CausewayModel

/// What iptables filters of what is forwarded, read from iptables-save(8), and where in it our one entry belongs.
///
/// Decides only. Of the rules of others none is touched, and none stands below ours but the RETURN that closes Docker's
/// chain for users.
struct ForwardFilter {
    /// The entry, as iptables(8) takes it.
    static let entry = [
        "-m", "mark", "--mark", "\(hex(KernelState.acceptedMark))/\(hex(KernelState.markMask))",
        "-m", "comment", "--comment", "causeway", "-j", "ACCEPT",
    ]
    private static let usersChain = "DOCKER-USER"

    private var policy = "ACCEPT"
    /// Rules by chain, without `-A CHAIN`; of FORWARD and of Docker's chain for users.
    private var rules: [String: [String]] = [:]

    init(save text: String) {
        var isFilter = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("*") { isFilter = line == "*filter" }
            guard isFilter else { continue }
            let words = line.split(separator: " ", maxSplits: 2)
            if line.hasPrefix(":"), let chain = words.first?.dropFirst(), words.count > 1 {
                if chain == "FORWARD" { policy = String(words[1]) }
                rules[String(chain), default: []] += []
            } else if words.first == "-A", words.count == 3 {
                rules[String(words[1]), default: []].append(String(words[2]))
            }
        }
    }

    /// Whether a packet that nobody speaks for may be lost here.
    var isFiltering: Bool { policy != "ACCEPT" || rules["FORWARD", default: []].contains { !Self.isOurs($0) } }

    /// Whether the entry stands where it should, once.
    var hasEntry: Bool {
        guard places.count == 1, let index = rules[chain]?.firstIndex(where: Self.isOurs) else { return false }
        let below = rules[chain, default: []][(index + 1)...]
        return below.isEmpty || (chain == Self.usersChain && Array(below) == ["-j RETURN"])
    }

    /// The chains that hold an entry of ours, one for each.
    private var places: [String] {
        rules.keys.sorted().flatMap { chain in rules[chain, default: []].filter(Self.isOurs).map { _ in chain } }
    }

    /// Docker's chain for users, where FORWARD leads to it.
    private var chain: String {
        let isUsed = rules["FORWARD", default: []].contains { $0 == "-j \(Self.usersChain)" }
        return isUsed && rules[Self.usersChain] != nil ? Self.usersChain : "FORWARD"
    }

    /// What iptables is to be asked so that the entry stands in its place, once.
    var additions: [[String]] {
        let others = rules[chain, default: []].filter { !Self.isOurs($0) }
        let add =
            chain == Self.usersChain && others.last == "-j RETURN"
            ? ["-I", chain, "\(others.count)"] : ["-A", chain]
        return deletions + [add + Self.entry]
    }

    /// What iptables is to be asked so that no entry is left.
    var deletions: [[String]] { places.map { ["-D", $0] + Self.entry } }

    private static func isOurs(_ rule: String) -> Bool {
        let words = rule.split(separator: " ")
        return zip(words, words.dropFirst()).contains {
            $0 == "--comment" && ($1 == "causeway" || $1 == "\"causeway\"")
        }
            && rule.contains("-j ACCEPT")
    }

    private static func hex(_ value: UInt32) -> String { "0x\(String(value, radix: 16))" }
}

/// Our entry of one family in the calling thread's namespace, wherever others filter: iptables on nftables, on the old
/// tables, or on both, and firewalld.
struct ForwardEntry {
    let family: IPFamily
    /// `iptables-nft`, …: those of the two that have a table `filter` here and a program to speak to it.
    private var tools: [String] = []
    private let firewalld: FirewalldFilter?

    init(_ family: IPFamily, nftables: [NetfilterSocket.TableName], firewalld: FirewalldFilter? = nil) {
        self.family = family
        self.firewalld = firewalld
        let name = family == .ip ? "iptables" : "ip6tables"
        if nftables.contains(.init(family: family == .ip ? .ip : .ip6, name: "filter")) {
            tools += Self.installed("\(name)-nft", else: name)
        }
        let names = ProcFile.text("/proc/thread-self/net/\(family == .ip ? "ip" : "ip6")_tables_names") ?? ""
        if names.split(separator: "\n").contains("filter") { tools += Self.installed("\(name)-legacy", else: name) }
    }

    private static func installed(_ tool: String, else other: String) -> [String] {
        [tool, other].first { Command.find($0) != nil && Command.find("\($0)-save") != nil }.map { [$0] } ?? []
    }

    enum State { case notFiltered, missing, present }

    func state() throws(KernelError) -> State {
        var state = State.notFiltered
        for tool in tools {
            let filter = try filter(tool)
            if !filter.hasEntry && filter.isFiltering { return .missing }
            if filter.hasEntry { state = .present }
        }
        if let firewalld, firewalld.isFiltering {
            guard firewalld.hasEntry(family) else { return .missing }
            state = .present
        }
        return state
    }

    func add(step: String) throws(KernelError) {
        guard try state() != .present else { throw KernelError(step: step, reason: .alreadyExists) }
        for tool in tools {
            let filter = try filter(tool)
            if filter.isFiltering, !filter.hasEntry { try run(tool, filter.additions, step) }
        }
        if let firewalld, !firewalld.hasEntry(family) { try run(firewalld.additions(family), step) }
    }

    func delete(step: String) throws(KernelError) {
        for tool in tools { try run(tool, try filter(tool).deletions, step) }
        if let firewalld { try run(firewalld.deletions(family), step) }
    }

    private func run(_ commands: [String], _ step: String) throws(KernelError) {
        guard !commands.isEmpty else { return }
        try Nftables.run(commands.joined(separator: "\n") + "\n", step: step)
    }

    private func filter(_ tool: String) throws(KernelError) -> ForwardFilter {
        let output = try Command(["\(tool)-save", "-t", "filter"]).run()
        guard output.status == 0 else {
            throw KernelError(step: "run \(tool)-save -t filter", reason: .other, detail: output.errors)
        }
        return ForwardFilter(save: output.output)
    }

    private func run(_ tool: String, _ commands: [[String]], _ step: String) throws(KernelError) {
        for command in commands {
            let output = try Command([tool, "-w", "5"] + command).run()
            guard output.status == 0 else {
                throw KernelError(
                    step: step, reason: .other, detail: "\(tool) \(command.joined(separator: " ")): \(output.errors)",
                    advice: "see '\(tool) -S FORWARD'")
            }
        }
    }
}

/// iptables on the kernel's old tables, whose changes the kernel tells nobody.
package enum LegacyFilter {
    /// Whether what we marked is let through wherever the old tables filter; true where there are none.
    package static func isOpen(_ families: Set<IPFamily>) async throws(KernelError) -> Bool {
        try await NetworkNamespace.host.performStep { () throws(KernelError) in
            for family in families.sorted() where try ForwardEntry(family, nftables: []).state() == .missing {
                return false
            }
            return true
        }
    }
}
