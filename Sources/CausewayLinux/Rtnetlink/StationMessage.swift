import CLinux
import CausewayModel

/// An entry of a bridge's forwarding table as RTM_NEWNEIGH of the family AF_BRIDGE tells of it.
package struct StationMessage: Hashable, Sendable {
    /// The port, or the bridge itself.
    package var linkIndex: UInt32
    package var bridgeIndex: UInt32
    package var address: MACAddress
    package var vlan: UInt16?
    private var state: UInt16

    /// Returns `nil` for a link's own entries: those of a VXLAN link, and multicast addresses that it takes.
    package init?(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(message.payload)
        let family = try reader.read(UInt8.self)
        _ = try reader.take(3)
        linkIndex = try reader.read()
        state = try reader.read(UInt16.self)
        let flags = try reader.read(UInt8.self)
        _ = try reader.take(1)
        let attributes = try reader.attributes()
        guard family == Family.bridge, flags & NDA.ofLink == 0,
            let address = attributes[NDA.address].flatMap({ MACAddress(bytes: $0) }),
            let bridge = try attributes.integer(NDA.controller, UInt32.self)
        else { return nil }
        self.address = address
        bridgeIndex = bridge
        vlan = try attributes.integer(NDA.vlan, UInt16.self)
    }

    /// The address is the port's own.
    package var isOwn: Bool { state & NDA.permanent != 0 }
    package var isStatic: Bool { state & (NDA.permanent | NDA.noARP) != 0 }
}
