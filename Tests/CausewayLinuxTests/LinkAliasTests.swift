import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayLinux

@Suite struct `Link alias` {
    @Test func `a pair's end names its other end, its namespace and what it is for`() {
        let link = Rtnl.Link(
            name: "cw-abc", kind: .veth(peer: "eth0", namespace: "cw-web.1.abc"),
            address: MACAddress("02:00:00:00:00:01"), mtu: 1500, alias: "task web.1")

        #expect(LinkAlias(link).description == "causeway veth peer=eth0 netns=cw-web.1.abc task web.1")
    }

    @Test(arguments: [
        Rtnl.Link(name: "a", kind: .veth(peer: "eth0", namespace: "n.1")),
        Rtnl.Link(name: "a", kind: .veth(peer: "eth0", namespace: "n.1"), mtu: 1500, alias: "two words"),
        Rtnl.Link(name: "a", kind: .vethPeer, mtu: 1400),
        Rtnl.Link(name: "a", kind: .vethPeer, address: MACAddress("02:00:00:00:00:01"), mtu: 1, alias: "auto=mtu me"),
        Rtnl.Link(name: "a", kind: .vethPeer, alias: "causeway veth"),
        Rtnl.Link(name: "lo", kind: .loopback),
    ])
    func `what is written is read back`(link: Rtnl.Link) {
        let alias = LinkAlias(LinkAlias(link).description)

        #expect(alias.isAddressAutomatic == (link.address == nil))
        #expect(alias.isMTUAutomatic == (link.mtu == nil))
        #expect(alias.text == link.alias)
        if case .veth(let peer, let namespace) = link.kind {
            #expect(alias.peer?.name == peer)
            #expect(alias.peer?.namespace == namespace)
        } else {
            #expect(alias.peer == nil)
        }
    }

    @Test(arguments: ["uplink", "causeway", "causeway veth", "causeway veth peer=a", "causeways veth peer=a netns=b"])
    func `an alias of somebody else is text`(alias: String) {
        #expect(LinkAlias(alias).text == alias)
        #expect(LinkAlias(alias).peer == nil)
    }
}
