import CLinux
import CausewayKernel
import CausewayModel

/// A forwarding entry of a VXLAN link as RTM_NEWNEIGH of the family AF_BRIDGE tells of it.
package struct ForwardingMessage: Hashable, Sendable {
    package var linkIndex: UInt32
    package var address: MACAddress
    package var destination: IPAddress
    package var isPermanent: Bool

    /// A message that asks for the entries of one link.
    package static func dump(linkIndex: UInt32) -> NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getNeighbor)
        message.forwardingHeader(linkIndex: linkIndex, state: 0, flags: 0)
        return message
    }

    /// Returns `nil` for entries that lead to no host: a bridge's ports, a link's own addresses.
    package init?(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(message.payload)
        let family = try reader.read(UInt8.self)
        _ = try reader.take(3)
        linkIndex = try reader.read()
        isPermanent = try reader.read(UInt16.self) & NDA.permanent != 0
        _ = try reader.take(2)
        let attributes = try reader.attributes()
        guard family == Family.bridge, let address = attributes[NDA.address].flatMap({ MACAddress(bytes: $0) }),
            let destination = try attributes.address(NDA.destination)
        else { return nil }
        self.address = address
        self.destination = destination
    }
}

extension NetlinkWriter {
    fileprivate mutating func forwardingHeader(
        linkIndex: UInt32, state: UInt16 = NDA.permanent, flags: UInt8 = NDA.ofLink
    ) {
        put([Family.bridge, 0, 0, 0])
        put(linkIndex)
        put(state)
        put([flags, 0])
    }

    /// Adds or deletes a forwarding entry; `type` says which.
    package static func forwarding(
        _ type: UInt16, _ entry: Rtnl.ForwardingEntry, linkIndex: UInt32
    ) -> NetlinkWriter {
        var message = NetlinkWriter(type: type, flags: type == RTM.newNeighbor ? Make.new : 0)
        message.forwardingHeader(linkIndex: linkIndex)
        message.attribute(NDA.address) { $0.put(entry.address.bytes) }
        message.attribute(NDA.destination, entry.destination)
        return message
    }
}
