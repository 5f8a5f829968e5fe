import CausewayKernel
import CausewayLinux
import CausewayModel
import Testing

/// Bytes as strace(1) and ip(8) show them; a machine of the other byte order would need others.
@Suite struct `Netlink writer` {
    @Test func `a message has its length, and nested attributes theirs`() {
        var message = NetlinkWriter(type: 16, flags: 0x605)
        message.put(UInt32(7))
        message.attribute(18) { info in info.attribute(1) { $0.string("bridge") } }

        #expect(
            message.finished(sequence: 0x0102_0304) == [
                36, 0, 0, 0, 16, 0, 0x05, 0x06, 4, 3, 2, 1, 0, 0, 0, 0,  // nlmsghdr
                7, 0, 0, 0,
                16, 0, 18, 0,  // IFLA_LINKINFO
                11, 0, 1, 0, 98, 114, 105, 100, 103, 101, 0, 0,  // IFLA_INFO_KIND, padded
            ])
    }

    @Test func `an attribute after an odd one stands on a boundary of four, and padding is not counted`() {
        var message = NetlinkWriter(type: 0)
        message.attribute(1, UInt8(9))
        message.nested(2) { $0.attribute(3, UInt16(5)) }

        #expect(
            message.payload == [
                5, 0, 1, 0, 9, 0, 0, 0,
                12, 0, 2, 0x80, 6, 0, 3, 0, 5, 0, 0, 0,
            ])
    }

    @Test func `a veth pair is asked for with its other end in another namespace`() throws {
        let link = Rtnl.Link(
            name: "cw-a", kind: .veth(peer: "e", namespace: "n"), address: MACAddress("02:42:0a:00:00:01"), mtu: 1450)
        let message = try #require(NetlinkWriter.linkAdd(link, peerNamespace: 5))

        #expect(message.type == 16)
        #expect(message.flags == 0x600)
        #expect(
            message.payload == [
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // ifinfomsg
                9, 0, 3, 0, 99, 119, 45, 97, 0, 0, 0, 0,  // IFLA_IFNAME
                8, 0, 4, 0, 0xaa, 5, 0, 0,  // IFLA_MTU
                10, 0, 1, 0, 2, 0x42, 10, 0, 0, 1, 0, 0,  // IFLA_ADDRESS
                64, 0, 18, 0x80,  // IFLA_LINKINFO
                9, 0, 1, 0, 118, 101, 116, 104, 0, 0, 0, 0,  // IFLA_INFO_KIND
                48, 0, 2, 0x80,  // IFLA_INFO_DATA
                44, 0, 1, 0x80,  // VETH_INFO_PEER
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // ifinfomsg
                6, 0, 3, 0, 101, 0, 0, 0,  // IFLA_IFNAME
                8, 0, 4, 0, 0xaa, 5, 0, 0,  // IFLA_MTU
                8, 0, 28, 0, 5, 0, 0, 0,  // IFLA_NET_NS_FD
            ])
    }

    @Test func `a default route names gateway, link, source and protocol`() throws {
        let route = Rtnl.Route(
            destination: try #require(CIDR("0.0.0.0/0")), gateway: IPAddress("169.254.1.1"), link: "eth0",
            source: IPAddress("10.0.1.2"), isOnLink: true)

        #expect(
            NetlinkWriter.route(24, route, linkIndex: 2).payload == [
                2, 0, 0, 0, 254, 213, 0, 1, 4, 0, 0, 0,  // rtmsg
                8, 0, 1, 0, 0, 0, 0, 0,  // RTA_DST
                8, 0, 5, 0, 169, 254, 1, 1,  // RTA_GATEWAY
                8, 0, 4, 0, 2, 0, 0, 0,  // RTA_OIF
                8, 0, 7, 0, 10, 0, 1, 2,  // RTA_PREFSRC
                8, 0, 15, 0, 254, 0, 0, 0,  // RTA_TABLE
            ])
    }

    @Test func `an address is added without duplicate address detection`() throws {
        let message = NetlinkWriter.address(20, try #require(CIDR("10.0.1.2/32")), linkIndex: 3)

        #expect(message.flags == 0x600)
        #expect(
            message.payload == [
                2, 32, 2, 0, 3, 0, 0, 0,
                8, 0, 2, 0, 10, 0, 1, 2,  // IFA_LOCAL
                8, 0, 1, 0, 10, 0, 1, 2,  // IFA_ADDRESS
                8, 0, 8, 0, 2, 0, 0, 0,  // IFA_FLAGS
            ])
    }

    @Test func `a neighbour is permanent`() throws {
        let neighbor = Rtnl.Neighbor(
            link: "eth0", destination: try #require(IPAddress("169.254.1.1")),
            address: try #require(MACAddress("02:00:00:00:00:01")))

        #expect(
            NetlinkWriter.neighborAdd(neighbor, linkIndex: 9).payload == [
                2, 0, 0, 0, 9, 0, 0, 0, 0x80, 0, 0, 0,
                8, 0, 1, 0, 169, 254, 1, 1,  // NDA_DST
                10, 0, 2, 0, 2, 0, 0, 0, 0, 1, 0, 0,  // NDA_LLADDR
            ])
    }
}
