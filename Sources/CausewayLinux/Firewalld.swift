import CausewayKernel
import CausewayModel
import Glibc

/// firewalld(1) in the calling thread's namespace: a policy of our own that lets forwarded packets from our subnets pass.
///
/// firewalld's own table ends with a rejection that no verdict and no mark of another table prevents. It accepts what
/// was translated, so published ports and virtual addresses need nothing; what tasks send outside, or to each other's
/// own addresses, does. The policy accepts by source, when forwarded only: who may reach the host is left as it is.
struct Firewalld {
    private static let policy = "causeway"
    private static let chain = "filter_FWD_policy_causeway_allow"

    let family: IPFamily

    /// `nil` where firewalld does not run.
    init?(_ family: IPFamily, nftables: [NetfilterSocket.TableName]) {
        guard nftables.contains(.init(family: .inet, name: "firewalld")), Command.find("firewall-cmd") != nil else {
            return nil
        }
        self.family = family
    }

    func state() throws(KernelError) -> ForwardEntry.State {
        let (wanted, allowed) = (try subnets(), try allowed())
        if wanted.isEmpty { return allowed.isEmpty ? .notFiltered : .present }
        return wanted == allowed ? .present : .missing
    }

    /// Makes the policy, if need be, and its rules what they should be.
    ///
    /// A policy begins to work with a reload, which loses what was set until the next reload only. Where there is such,
    /// nothing is reloaded: the policy works from the administrator's own reload on, and is missing until then.
    func add(step: String) throws(KernelError) {
        let (wanted, allowed) = (try subnets(), try allowed())
        try makePolicy(step)
        try change(permanently: true, adding: wanted, removing: allowed.subtracting(wanted), step)
        if try words(["--get-policies"], step).contains(Self.policy) {
            try change(permanently: false, adding: wanted, removing: allowed.subtracting(wanted), step)
        } else if try isSaved(step) {
            _ = try run(["--reload"], step)
        }
    }

    /// Takes the family's rules away, and the policy with the last of them.
    func delete(step: String) throws(KernelError) {
        let allowed = try allowed()
        guard try words(["--permanent", "--get-policies"], step).contains(Self.policy) else { return }
        if try words(["--get-policies"], step).contains(Self.policy) {
            try change(permanently: false, adding: [], removing: allowed, step)
        }
        try change(permanently: true, adding: [], removing: allowed, step)
        let left = try run(["--permanent", "--policy=\(Self.policy)", "--list-rich-rules"], step)
        guard left.allSatisfy(\.isWhitespace) else { return }
        _ = try run(["--permanent", "--delete-policy=\(Self.policy)"], step)
        if try isSaved(step) { _ = try run(["--reload"], step) }
    }

    // MARK: what should be, what is

    /// Our networks' subnets: each has a route that refuses what no task holds.
    private func subnets() throws(KernelError) -> Set<CIDR> {
        do throws(NetlinkError) {
            let routes = try RouteSocket().routes(family, protocol: Rtnl.causewayProtocol)
            return Set(routes.flatMap { $0.routes(names: [:]) }.filter { $0.kind == .unreachable }.map(\.destination))
        } catch {
            throw error.kernelError("read our subnets")
        }
    }

    private func allowed() throws(KernelError) -> Set<CIDR> {
        let output = try Command(["nft", "list", "chain", "inet", "firewalld", Self.chain]).run()
        // Without the policy there is no such chain.
        guard output.status == 0 else { return [] }
        let key = family == .ip ? "ip" : "ip6"
        return Set(
            output.output.split(separator: "\n").compactMap { line in
                let words = line.split(whereSeparator: \.isWhitespace)
                guard words.count == 4, words[0] == key, words[1] == "saddr", words[3] == "accept" else { return nil }
                return CIDR(String(words[2])) ?? IPAddress(String(words[2])).map { CIDR(host: $0) }
            })
    }

    /// Whether a reload would lose nothing: it keeps which zone an interface is in.
    private func isSaved(_ step: String) throws(KernelError) -> Bool {
        for question in [["--list-all-zones"], ["--direct", "--get-all-rules"]] {
            let (now, then) = (try run(question, step), try run(["--permanent"] + question, step))
            if Self.settings(now) != Self.settings(then) { return false }
        }
        return true
    }

    private static func settings(_ text: String) -> [Substring] {
        text.split(separator: "\n").filter { !$0.contains("interfaces:") }.map { line in
            line.firstRange(of: " (active)").map { line[..<$0.lowerBound] } ?? line
        }
    }

    // MARK: firewall-cmd(1)

    private func makePolicy(_ step: String) throws(KernelError) {
        guard try !words(["--permanent", "--get-policies"], step).contains(Self.policy) else { return }
        let policy = "--policy=\(Self.policy)"
        _ = try run(["--permanent", "--new-policy=\(Self.policy)"], step)
        _ = try run(["--permanent", policy, "--add-ingress-zone=ANY"], step)
        _ = try run(["--permanent", policy, "--add-egress-zone=ANY"], step)
        _ = try run(["--permanent", policy, "--set-priority=-10"], step)
    }

    private func change(
        permanently: Bool, adding: Set<CIDR>, removing: Set<CIDR>, _ step: String
    ) throws(KernelError) {
        let start = (permanently ? ["--permanent"] : []) + ["--policy=\(Self.policy)"]
        for (verb, subnets) in [("remove", removing), ("add", adding)] where !subnets.isEmpty {
            _ = try run(start + subnets.sorted().map { "--\(verb)-rich-rule=\(rule($0))" }, step)
        }
    }

    private func rule(_ subnet: CIDR) -> String {
        "rule family=\"\(family == .ip ? "ipv4" : "ipv6")\" source address=\"\(subnet)\" accept"
    }

    private func words(_ arguments: [String], _ step: String) throws(KernelError) -> Set<String> {
        Set(try run(arguments, step).split(whereSeparator: \.isWhitespace).map(String.init))
    }

    private func run(_ arguments: [String], _ step: String) throws(KernelError) -> String {
        let output = try Command(["firewall-cmd"] + arguments).run()
        // 252: it does not run; its table will go with it.
        guard output.status == 0 else {
            throw KernelError(
                step: step, reason: .other,
                detail: "firewall-cmd \(arguments.joined(separator: " ")): \(output.errors)",
                advice: "see 'firewall-cmd --state' and its log")
        }
        return output.output
    }
}
