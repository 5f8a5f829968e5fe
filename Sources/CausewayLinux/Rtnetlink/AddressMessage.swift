import CLinux
import CausewayKernel
import CausewayModel

/// An address as RTM_NEWADDR tells of it.
package struct AddressMessage: Hashable, Sendable {
    package var linkIndex: UInt32
    package var address: CIDR

    package static var dump: NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getAddress)
        message.addressHeader(family: Family.any, prefixLength: 0, scope: 0, linkIndex: 0)
        return message
    }

    package init(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(message.payload)
        _ = try reader.take(1)
        let prefixLength = try reader.read(UInt8.self)
        _ = try reader.take(2)
        linkIndex = try reader.read()
        let at = reader.remaining.startIndex
        let attributes = try reader.attributes()
        // With a peer (point to point) IFA_ADDRESS is the peer's; IPv6 has IFA_LOCAL only then.
        guard let own = try attributes.address(IFA.local, or: IFA.address),
            let cidr = CIDR(own, Int(prefixLength))
        else { throw NetlinkReader.Malformed(offset: at, why: "no address of /\(prefixLength)") }
        address = cidr
    }

    /// Whether the kernel gives it by itself: lo's own, and IPv6's link-local ones.
    package func isKernelMade(on link: String) -> Bool {
        if link == "lo", address.address.isLoopback { return true }
        return address.address.v6?.isLinkLocal ?? false
    }
}

extension NetlinkWriter {
    fileprivate mutating func addressHeader(family: UInt8, prefixLength: Int, scope: UInt8, linkIndex: UInt32) {
        put(family)
        put(UInt8(prefixLength))
        put(UInt8(truncatingIfNeeded: family == Family.any ? 0 : IFA.withoutDetection))
        put(scope)
        put(linkIndex)
    }

    /// Adds or deletes an address; `type` says which.
    package static func address(_ type: UInt16, _ address: CIDR, linkIndex: UInt32) -> NetlinkWriter {
        var message = NetlinkWriter(type: type, flags: type == RTM.newAddress ? Make.new : 0)
        let hostScope: UInt8 = 254
        message.addressHeader(
            family: address.family.netlink, prefixLength: address.prefixLength,
            scope: address.address.isLoopback ? hostScope : 0, linkIndex: linkIndex)
        message.attribute(IFA.local, address.address)
        message.attribute(IFA.address, address.address)
        if type == RTM.newAddress { message.attribute(IFA.flags, IFA.withoutDetection) }
        return message
    }
}

extension IPFamily {
    /// `AF_INET` or `AF_INET6`.
    var netlink: UInt8 { self == .ip ? Family.v4 : Family.v6 }

    init?(netlink: UInt8) {
        switch netlink {
        case Family.v4: self = .ip
        case Family.v6: self = .ip6
        default: return nil
        }
    }

    /// All addresses.
    var unspecified: IPAddress {
        self == .ip ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0))
    }
}
