import CLinux
import CausewayKernel
import CausewayModel

/// Policy rules as RTM_NEWRULE tells of them.
enum RuleMessage {
    static func dump(_ family: IPFamily) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getRule)
        message.put([family.netlink, 0, 0, 0, 0, 0, 0, 0])
        message.put(UInt32(0))
        return message
    }

    static func rule(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) -> NamespaceState.PolicyRule? {
        var reader = NetlinkReader(message.payload)
        let family = IPFamily(netlink: try reader.read(UInt8.self))
        let destinationLength = Int(try reader.read(UInt8.self))
        let sourceLength = Int(try reader.read(UInt8.self))
        _ = try reader.take(1)
        let table = UInt32(try reader.read(UInt8.self))
        _ = try reader.take(2)
        let action = try reader.read(UInt8.self)
        let flags = try reader.read(UInt32.self)
        let attributes = try reader.attributes()
        guard let family else { return nil }
        let isLookup = action == 1
        return NamespaceState.PolicyRule(
            family: family, priority: try attributes.integer(FRA.priority) ?? 0,
            isInverted: flags & FRA.inverted != 0,
            from: try attributes.address(FRA.source).flatMap { CIDR($0, sourceLength) },
            to: try attributes.address(FRA.destination).flatMap { CIDR($0, destinationLength) },
            incomingLink: attributes.string(FRA.incomingLink), outgoingLink: attributes.string(FRA.outgoingLink),
            mark: try attributes.integer(FRA.mark), markMask: try attributes.integer(FRA.markMask),
            table: isLookup ? try attributes.integer(FRA.table) ?? table : nil,
            action: FRA.actions[action] ?? "action \(action)")
    }
}
