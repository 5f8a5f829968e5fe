import CausewayKernel
import CausewayModel

/// What the tunnel between nodes adds to the table; nothing where there is none.
extension HostRules {
    var tunnelChains: [Nft.Chain] {
        hasTunnel ? [fromTunnel, underlay, underlayOut, entryMark, tunnelOut, intoTunnel, toNode] : []
    }

    // MARK: packets between nodes

    /// A frame that came out of the tunnel.
    var tunnelSources: [Nft.Rule] {
        hasTunnel ? [Nft.Rule([isFromTunnel, .verdict(.goto("from_tunnel"))])] : []
    }

    /// A connection belongs to the node by which it entered: two that are alike are two.
    private var fromTunnel: Nft.Chain {
        Nft.Chain(
            name: "from_tunnel",
            rules: [
                Nft.Rule([
                    .set(
                        .ct("zone", direction: "original"),
                        to: .map(key: .payload("ether", "saddr"), in: .set(TunnelSets.nodeOf))),
                    .verdict(.accept),
                ]),
                Nft.Rule([.counter(), .verdict(.drop)], comment: "from no node of the cluster"),
            ])
    }

    /// A tunnel packet that is ours by port and network identifier: on one port there may be others' tunnels.
    var outerSources: [Nft.Rule] {
        tunnelPort.map { [Nft.Rule(isOuter($0) + [.verdict(.goto("underlay"))])] } ?? []
    }

    /// Before conntrack, which would remember a flow for each tunnel, and before its link takes the packet apart.
    private var underlay: Nft.Chain {
        Nft.Chain(
            name: "underlay",
            rules: IPFamily.allCases.map { family in
                Nft.Rule([
                    .match(source(family), .equal, .value(.set(SetNames(family).peers))), .notrack, .verdict(.accept),
                ])
            } + [
                Nft.Rule(
                    [isToHost, .counter(), .verdict(.drop)], comment: "a tunnel packet from no node of the cluster")
            ])
    }

    private var underlayOut: Nft.Chain {
        Nft.Chain(
            name: "underlay_out", base: .init(.filter, .output, priority: -300),
            rules: tunnelPort.map { [Nft.Rule(isOuter($0) + [.notrack])] } ?? [])
    }

    /// The network identifier is in the fifth to seventh byte of VXLAN's header, behind UDP's eight bytes.
    private func isOuter(_ port: UInt16) -> [Nft.Expression] {
        [
            .match(.payload("udp", "dport"), .equal, .value(.number(UInt64(port)))),
            .match(.payload("@th", "96,24"), .equal, .value(.number(UInt64(Tunnel.networkIdentifier)))),
        ]
    }

    // MARK: the way back

    /// What came by a node, and what answers it, carries that node's number: policy rules lead it back there.
    ///
    /// On its way in, too: the check of its source (`rp_filter`) asks for its way back, and what the host itself answers
    /// takes it. Only a connection that entered elsewhere has a zone, so everything else stays as it is.
    private var entryMark: Nft.Chain {
        Nft.Chain(
            name: "entry_mark", base: .init(.filter, .prerouting, priority: -150),
            rules: [
                Nft.Rule([
                    .match(.meta("iifname"), .equal, .value(.name(Rtnl.linkPrefix + "*"))),
                    .set(
                        .meta("mark"),
                        to: .map(key: .ct("zone", direction: "original"), in: .set(TunnelSets.markOf))),
                ])
            ])
    }

    private var tunnelOut: Nft.Chain {
        Nft.Chain(
            name: "tunnel_out", base: .init(.filter, .postrouting, priority: -150),
            rules: [Nft.Rule([isToTunnel, .verdict(.goto("into_tunnel"))])])
    }

    /// The mark would lead the outer packet into the tunnel again; and TCP is told what fits, for not all heed ICMP.
    private var intoTunnel: Nft.Chain {
        let flags = Nft.Operand.binary(
            "&", .payload("tcp", "flags"), .binary("|", .value(.name("rst")), .value(.name("syn"))))
        let others = Nft.Operand.binary("&", .meta("mark"), .value(.number(UInt64(~KernelState.markMask))))
        return Nft.Chain(
            name: "into_tunnel",
            rules: [
                Nft.Rule([
                    .match(flags, .equal, .value(.name("syn"))),
                    .set(.payload("tcp option maxseg", "size"), to: .payload("rt", "mtu")),
                ]),
                Nft.Rule([.set(.meta("mark"), to: others)]),
            ])
    }

    // MARK: what may come and go

    /// Its entry has chosen a task already.
    var alreadyTranslated: [Nft.Rule] { hasTunnel ? [Nft.Rule([isFromTunnel, .verdict(.accept)])] : [] }

    /// To this node itself: nothing but probes.
    var tunnelInput: [Nft.Rule] { hasTunnel ? [Nft.Rule([isFromTunnel, .verdict(.goto("to_node"))])] : [] }

    /// Peers find out by pings and refusals whether the way is good; the host's programs are not offered here.
    private var toNode: Nft.Chain {
        let known = Nft.Value.anonymousSet([.name("established"), .name("related")])
        return Nft.Chain(
            name: "to_node",
            rules: [
                Nft.Rule([.match(.ct("state"), .in, .value(known)), .verdict(.accept)]),
                Nft.Rule([
                    .match(.payload("icmp", "type"), .equal, .value(.name("echo-request"))), .verdict(.accept),
                ]),
                Nft.Rule([
                    .match(.payload("icmpv6", "type"), .equal, .value(.name("echo-request"))), .verdict(.accept),
                ]),
            ] + refusals([], comment: "a node's own address in the tunnel offers nothing"))
    }

    /// A peer believes a task to be here that is elsewhere.
    var notHere: [Nft.Rule] {
        hasTunnel ? refusals([isFromTunnel, isToTunnel], comment: "the task is on another node") : []
    }

    /// The entry has translated the destination; that it was published is known here too.
    var publishedByPeer: [Nft.Rule] {
        guard hasTunnel else { return [] }
        return IPFamily.allCases.map { family in
            Nft.Rule(
                [isFromTunnel, isTarget(family), .verdict(.goto("accepted"))], comment: "published at another node")
        }
    }

    /// A peer's tasks and clients leave by the peer.
    var throughPeer: [Nft.Rule] {
        guard hasTunnel else { return [] }
        return [
            Nft.Rule([isFromTunnel, .counter(), .verdict(.drop)], comment: "from another node to the outside")
        ]
    }

    /// A node that calls a published port elsewhere and is led to its own task: no host takes a packet from outside that
    /// carries its own address.
    var selfThroughPeer: [Nft.Rule] {
        guard hasTunnel else { return [] }
        return IPFamily.allCases.map { family in
            let key = Nft.Operand.concatenation([source(family), .payload("rt \(family.rawValue)", "nexthop")])
            return Nft.Rule(
                [isToTunnel, .match(key, .equal, .value(.set(SetNames(family).selves))), .masquerade()],
                comment: "a node that reaches its own task")
        }
    }

    private var isFromTunnel: Nft.Expression {
        .match(.meta("iifname"), .equal, .value(.name(Tunnel.linkName)))
    }

    private var isToTunnel: Nft.Expression {
        .match(.meta("oifname"), .equal, .value(.name(Tunnel.linkName)))
    }
}
