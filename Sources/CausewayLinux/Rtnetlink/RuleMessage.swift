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
            mark: try mark(attributes), markMask: try attributes.integer(FRA.markMask),
            table: isLookup ? try attributes.integer(FRA.table) ?? table : nil,
            action: FRA.actions[action] ?? "action \(action)", target: try attributes.integer(FRA.target),
            protocol: try attributes.integer(FRA.protocol))
    }

    /// The kernel does not say a mark of 0, only its mask.
    private static func mark(_ attributes: NetlinkAttributes) throws(NetlinkReader.Malformed) -> UInt32? {
        if let mark = try attributes.integer(FRA.mark, UInt32.self) { return mark }
        return try attributes.integer(FRA.markMask, UInt32.self) == nil ? nil : 0
    }
}

extension NetlinkWriter {
    /// Adds or deletes a policy rule; `type` says which.
    ///
    /// Returns `nil` for an action that has no number.
    package static func rule(_ type: UInt16, _ rule: NamespaceState.PolicyRule) -> NetlinkWriter? {
        guard let action = FRA.actions.first(where: { $0.value == rule.action })?.key else { return nil }
        var message = NetlinkWriter(type: type, flags: type == RTM.newRule ? Make.new : 0)
        message.put([
            rule.family.netlink, UInt8(rule.to?.prefixLength ?? 0), UInt8(rule.from?.prefixLength ?? 0), 0,
            rule.table.flatMap { UInt8(exactly: $0) } ?? 0, 0, 0, action,
        ])
        message.put(rule.isInverted ? FRA.inverted : UInt32(0))
        message.attribute(FRA.priority, rule.priority)
        if let to = rule.to { message.attribute(FRA.destination, to.address) }
        if let from = rule.from { message.attribute(FRA.source, from.address) }
        if let link = rule.incomingLink { message.attribute(FRA.incomingLink, link) }
        if let link = rule.outgoingLink { message.attribute(FRA.outgoingLink, link) }
        if let mark = rule.mark { message.attribute(FRA.mark, mark) }
        if let mask = rule.markMask { message.attribute(FRA.markMask, mask) }
        if let table = rule.table { message.attribute(FRA.table, table) }
        if let target = rule.target { message.attribute(FRA.target, target) }
        if let `protocol` = rule.protocol { message.attribute(FRA.protocol, `protocol`) }
        return message
    }
}
