import CLinux
import CausewayKernel
import CausewayModel

/// What firewalld has in its own table about what is forwarded, and where in it our one entry of a family belongs.
///
/// Decides only. The chain of policies that come after the zones is the place: whatever a policy or a rich rule of the
/// user's refuses is refused before, and behind it is only what a zone does with what nobody has spoken of. Newer
/// firewalld has no such chain: then it is the first of all in its forward chain, beside firewalld's own
/// `ct status dnat accept`.
struct FirewalldFilter: Hashable {
    /// The table; firewalld makes it anew with each reload.
    static let table = NetfilterSocket.TableName(family: .inet, name: "firewalld")
    static let policies = "filter_FORWARD_POLICIES_post"
    static let forward = "filter_FORWARD"

    /// Rules by chain, in their order: of those of the two chains that are there.
    let rules: [String: [NetfilterSocket.RuleName]]

    private var chain: String? { [Self.policies, Self.forward].first { rules[$0] != nil } }

    /// Whether a packet that nobody speaks for may be lost here.
    var isFiltering: Bool { chain != nil }

    /// Whether the entry stands where it should, once.
    func hasEntry(_ family: IPFamily) -> Bool {
        guard let chain, places(family).count == 1,
            let index = rules[chain]?.firstIndex(where: { $0.comment == Self.comment(family) })
        else { return false }
        let others = rules[chain, default: []].enumerated().filter { !Self.isOurs($0.element) }.map(\.offset)
        return others.allSatisfy { chain == Self.policies ? $0 < index : $0 > index }
    }

    /// What nft is to be asked, as one transaction, so that the entry stands in its place, once.
    func additions(_ family: IPFamily) -> [String] {
        guard let chain else { return [] }
        let verb = chain == Self.policies ? "add" : "insert"
        let mark = "0x\(String(KernelState.acceptedMark, radix: 16))"
        let mask = "0x\(String(KernelState.markMask, radix: 16))"
        let protocolName = family == .ip ? "ipv4" : "ipv6"
        return deletions(family) + [
            "\(verb) rule inet firewalld \(chain) meta nfproto \(protocolName) meta mark & \(mask) == \(mark) "
                + "accept comment \"\(Self.comment(family))\""
        ]
    }

    /// What nft is to be asked so that no entry is left.
    func deletions(_ family: IPFamily) -> [String] {
        places(family).map { "delete rule inet firewalld \($0.chain) handle \($0.handle)" }
    }

    private func places(_ family: IPFamily) -> [(chain: String, handle: UInt64)] {
        rules.sorted { $0.key < $1.key }.flatMap { chain, rules in
            rules.filter { $0.comment == Self.comment(family) }.map { (chain, $0.handle) }
        }
    }

    private static func comment(_ family: IPFamily) -> String { "causeway \(family.rawValue)" }

    private static func isOurs(_ rule: NetfilterSocket.RuleName) -> Bool {
        IPFamily.allCases.contains { rule.comment == comment($0) }
    }
}

extension FirewalldFilter {
    /// Reads it in the namespace of the socket; `nil` where firewalld has no table among those that are there.
    init?(_ socket: NetfilterSocket, among tables: [NetfilterSocket.TableName]) throws(NetlinkError) {
        guard tables.contains(Self.table) else { return nil }
        let there = try socket.chains().filter { $0.table == Self.table }.map(\.name)
        var rules: [String: [NetfilterSocket.RuleName]] = [:]
        for chain in [Self.policies, Self.forward] where there.contains(chain) {
            rules[chain] = try socket.rules(Self.table, chain)
        }
        self.init(rules: rules)
    }
}
