import CausewayKernel
import CausewayModel

/// Our policy rules: our table before the host's own, and the way back to the entry node by the packet's mark.
///
/// The kernel asks rules one after the other. So a mark, a node's number of 12 bits, is asked for four bits at a time,
/// each answer leading (`goto`) to at most 16 more: 48 for the last of 4094 nodes. Packets without a mark of ours, nearly
/// all of a host's, are led past all of it by the first.
enum PolicyRules {
    private static let first: UInt32 = 21300
    private static let high = first + 2
    /// For each value of the high four bits, its rules and the end of them.
    private static let middle = first + 10
    /// The same for each value of the high eight bits.
    private static let low = first + 100
    private static let end = first + 650

    /// The mark of a packet that came, or is to leave, by a node.
    static func mark(ofPeer number: Int) -> UInt32 { UInt32(number) << 16 }

    /// The table with the default routes to a node.
    static func table(ofPeer number: Int) -> UInt32 { 2_130_000 + UInt32(number) }

    /// All there are for some peers; without any only the rule that our table comes first.
    static func all(peers numbers: some Sequence<Int>) -> Set<NamespaceState.PolicyRule> {
        let numbers = numbers.map { UInt32($0) }
        return Set(IPFamily.allCases.flatMap { [lookUp(first, Rtnl.taskTable, $0)] + marks(numbers, $0) })
    }

    private static func marks(_ numbers: [UInt32], _ family: IPFamily) -> [NamespaceState.PolicyRule] {
        guard !numbers.isEmpty else { return [] }
        let quick = jump(first + 1, to: end, family, mark: 0, mask: KernelState.markMask)
        let nothing = NamespaceState.PolicyRule(
            family: family, priority: end, action: "nop", protocol: Rtnl.causewayProtocol)
        return [quick, jump(high + 1, to: end, family), nothing] + numbers.flatMap { way($0, family) }
    }

    /// The three steps to one node; neighbours share the first ones.
    private static func way(_ number: UInt32, _ family: IPFamily) -> [NamespaceState.PolicyRule] {
        let (second, third) = (middle + (number >> 8) * 2, low + (number >> 4) * 2)
        let mark = number << 16
        return [
            jump(high, to: second, family, mark: mark & 0x0f00_0000, mask: 0x0f00_0000),
            jump(second, to: third, family, mark: mark & 0x0ff0_0000, mask: 0x0ff0_0000),
            jump(second + 1, to: end, family),
            lookUp(third, table(ofPeer: Int(number)), family, mark: mark, mask: KernelState.markMask),
            jump(third + 1, to: end, family),
        ]
    }

    private static func lookUp(
        _ priority: UInt32, _ table: UInt32, _ family: IPFamily, mark: UInt32? = nil, mask: UInt32? = nil
    ) -> NamespaceState.PolicyRule {
        NamespaceState.PolicyRule(
            family: family, priority: priority, mark: mark, markMask: mask, table: table,
            protocol: Rtnl.causewayProtocol)
    }

    private static func jump(
        _ priority: UInt32, to target: UInt32, _ family: IPFamily, mark: UInt32? = nil, mask: UInt32? = nil
    ) -> NamespaceState.PolicyRule {
        NamespaceState.PolicyRule(
            family: family, priority: priority, mark: mark, markMask: mask, action: "goto", target: target,
            protocol: Rtnl.causewayProtocol)
    }
}
