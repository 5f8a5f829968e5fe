import CausewayKernel
import CausewayModel

/// What is too long for the way below the tunnel.
struct MTUCheck: Check {
    let name = "mtu"
    let looksAt =
        "the MTU of tunnels, of their routes and of the tasks behind them, against the underlay's link and route to each peer"
    let why = "small packets pass and large ones vanish: ping works, HTTP hangs"
    let threads: [Discussion] = [.moby(24_906), .moby(33_596)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        let pairs = Self.pairs(patient)
        guard !ends.isEmpty || !pairs.isEmpty else { return .irrelevant("no tunnel, and no pair of links to a task") }
        return .of(ends.flatMap { underlay(patient, $0) } + pairs + measured(patient))
    }

    private func underlay(_ patient: Patient, _ end: TunnelEnd) -> [Finding] {
        let host = patient.world[end.host]
        var worst: (room: Int, peer: IPAddress, link: String, mtu: Int)?
        for peer in patient.peers(of: end) {
            let decision = Routing(host).decide(RouteQuery(destination: peer))
            guard decision.kind == .unicast, let route = decision.route, let name = route.link,
                let link = patient.world.link(end.host, named: name),
                let mtu = [route.mtu, link.link.mtu].compactMap({ $0 }).min()
            else { continue }
            let room = Int(mtu) - Walk.overhead(peer.family)
            if room < worst?.room ?? .max { worst = (room, peer, name, Int(mtu)) }
        }
        guard let worst else { return [] }
        return senders(patient, end).filter { $0.mtu > worst.room }.prefix(1).map { sender in
            Finding(
                .fault,
                "\(sender.what) sends up to \(sender.mtu) bytes, and \(worst.room) fit through \(worst.link) to \(worst.peer)",
                [
                    Evidence(.link, "\(sender.link) mtu \(sender.mtu)", at: patient.place(sender.position)),
                    Evidence(.link, "\(worst.link) mtu \(worst.mtu)", at: patient.place(end.host)),
                ],
                remedy: patient.world.isHost(end.position)
                    ? .run("ip link set \(end.name) mtu \(worst.room)", "causewayd measures and sets it while it runs")
                    : .advice(
                        "make the network again with --opt com.docker.network.driver.mtu=\(worst.room), or raise the MTU of \(worst.link)"
                    ))
        }
    }

    /// What sends into the tunnel, and how much at once.
    private func senders(
        _ patient: Patient, _ end: TunnelEnd
    ) -> [(what: String, link: String, mtu: Int, position: Int)] {
        let world = patient.world
        if world.isHost(end.position) {
            // The routes to tasks say it; what has no such limit takes the link's.
            let own = end.link.link.mtu
            let routes = world[end.host].routes.filter {
                $0.link == end.name && $0.kind == .unicast && $0.gateway != nil
            }
            let most = routes.map { $0.mtu ?? own ?? 0 }.max() ?? own
            return most.map { [("the tunnel", end.name, Int($0), end.position)] } ?? []
        }
        let ports = world[end.position].links.filter {
            $0.controller != nil && $0.controller == end.link.controller && $0.index != end.link.index
        }
        return ports.compactMap { port in
            guard let peer = world.peer(of: port, in: end.position), let mtu = peer.link.link.mtu else { return nil }
            return (world.place(peer.position).heading, peer.link.link.name, Int(mtu), peer.position)
        }
    }

    /// What leaves one end of a pair and is too long for the other is dropped without a word.
    private static func pairs(_ patient: Patient) -> [Finding] {
        let world = patient.world
        return patient.inner.flatMap { position in
            world[position].links.compactMap { link -> Finding? in
                guard let peer = world.peer(of: link, in: position), let own = link.link.mtu,
                    let other = peer.link.link.mtu, own > other
                else { return nil }
                return Finding(
                    .fault,
                    "what \(world.place(position).heading) sends by \(link.link.name) is dropped above \(other) bytes",
                    [
                        Evidence(.link, "\(link.link.name) mtu \(own)", at: world.place(position)),
                        Evidence(.link, "\(peer.link.link.name) mtu \(other)", at: world.place(peer.position)),
                    ],
                    remedy: .run(patient.command(peer.position, "ip link set \(peer.link.link.name) mtu \(own)")))
            }
        }
    }

    /// What the daemon has measured, against what the kernel has.
    private func measured(_ patient: Patient) -> [Finding] {
        guard let host = patient.hosts.first, let daemon = patient.daemon else { return [] }
        let routes = patient.world[host].routes.filter {
            ($0.link ?? "").hasPrefix(Rtnl.linkPrefix) && $0.gateway != nil
        }
        let narrowest = daemon.peers.compactMap(\.mtu).min()
        let own = patient.tunnels.first { $0.position == host }?.link.link.mtu
        guard let narrowest, daemon.peers.allSatisfy({ $0.mtu != nil }),
            let route = routes.first(where: { ($0.mtu ?? own ?? 0) > (daemon.peers.compactMap(\.mtu).max() ?? 0) })
        else { return [] }
        return [
            Finding(
                .fault, "a way through the tunnel takes \(narrowest) bytes, and a route says more",
                [
                    Evidence(
                        .route, "\(route.destination) dev \(route.link ?? "?") mtu \(route.mtu ?? own ?? 0)",
                        at: patient.place(host), owner: "Causeway")
                ], remedy: .run("systemctl restart causewayd"))
        ]
    }
}

/// Cards that do not compute the checksum of what is inside a tunnel.
struct ChecksumCheck: Check {
    let name = "checksum-offload"
    let looksAt =
        "whether the tunnel leaves checksums to the hardware, and what the daemon's TCP probes through it came to"
    let why = "some cards and virtual switches damage TCP inside VXLAN: ping works, every connection hangs"
    let threads: [Discussion] = [.moby(41_775), .moby(43_386)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        guard !ends.isEmpty else { return .irrelevant("no tunnel here") }
        guard let daemon = patient.daemon, daemon.peers.contains(where: { $0.takesOffload != nil }) else {
            let isOff = ends.allSatisfy { $0.link.link.checksumOffload == false }
            return isOff
                ? .healthy
                : .notSeen(
                    "only packets tell whether the cards on the way compute checksums inside a tunnel; "
                        + "if TCP hangs and ping works, try: ethtool -K TUNNEL tx off")
        }
        let bad = daemon.peers.filter { $0.takesOffload == false }
        guard let host = patient.hosts.first else { return .healthy }
        return .of(
            ends.filter { $0.host == host && $0.link.link.checksumOffload != false && !bad.isEmpty }.map { end in
                Finding(
                    .fault,
                    "TCP checksums left to the hardware do not arrive at \(bad.map(\.hostname).joined(separator: ", "))",
                    [Evidence(.link, "\(end.name) tx-checksumming: on", at: patient.place(end.position))],
                    remedy: .run("ethtool -K \(end.name) tx off", "on this link alone; causewayd does so by itself"))
            })
    }
}

/// A firewall between the nodes.
struct TunnelPortCheck: Check {
    let name = "vxlan-blocked"
    let looksAt = "the host's INPUT and OUTPUT rules, by walking a VXLAN packet from and to each known peer"
    let why = "one closed UDP port, and the nodes see each other while no task reaches another node's"
    let threads: [Discussion] = [.moby(33_416), .moby(39_280)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        guard !ends.isEmpty else { return .irrelevant("no tunnel here") }
        var findings: [Finding] = []
        var asked: Set<String> = []
        for end in ends {
            for peer in patient.peers(of: end) where asked.insert("\(end.host) \(peer) \(end.vxlan.port)").inserted {
                findings += [incoming(patient, end, peer), outgoing(patient, end, peer)].compactMap { $0 }
            }
        }
        return asked.isEmpty ? .notSeen("no forwarding entry names a peer") : .of(findings)
    }

    private func incoming(_ patient: Patient, _ end: TunnelEnd, _ peer: IPAddress) -> Finding? {
        let routing = Routing(patient.world[end.host])
        let decision = routing.decide(RouteQuery(destination: peer))
        guard let link = decision.route?.link,
            let own = end.vxlan.local ?? routing.preferredSource(for: decision, to: peer)
        else { return nil }
        let packet = Packet(.udp, from: peer, 50_000, to: own, end.vxlan.port)
        let entry = PathTracer.Entry.link(namespace: patient.world[end.host].inode, name: link)
        return finding(patient, end, packet, entry, "tunnel packets from \(peer)")
    }

    private func outgoing(_ patient: Patient, _ end: TunnelEnd, _ peer: IPAddress) -> Finding? {
        let own = end.vxlan.local ?? Walk.unspecified(peer.family)
        let packet = Packet(.udp, from: own, 50_000, to: peer, end.vxlan.port)
        return finding(
            patient, end, packet, .process(namespace: patient.world[end.host].inode), "tunnel packets to \(peer)")
    }

    private func finding(
        _ patient: Patient, _ end: TunnelEnd, _ packet: Packet, _ entry: PathTracer.Entry, _ what: String
    ) -> Finding? {
        guard let trace = try? patient.tracer.trace(packet, from: entry),
            trace.outward.verdict.reason == .netfilter,
            trace.outward.hops.last?.place.namespace == patient.world[end.host].name
        else { return nil }
        var evidence = Evidence(endOf: trace.outward)
        if evidence.owner == nil, evidence.kind == .chain {
            evidence.owner = RuleOwner.ofPolicy(patient.world[end.host])
        }
        if evidence.owner == nil { evidence.owner = RuleOwner.unknown }
        let owner = evidence.owner ?? ""
        return Finding(
            trace.isCertain ? .fault : .risk,
            "\(what), UDP port \(end.vxlan.port), are \(trace.outward.verdict.outcome.rawValue)",
            [evidence],
            remedy: owner.hasPrefix("ufw")
                ? .run("ufw allow proto udp from \(packet.source) to any port \(end.vxlan.port)")
                : owner == "firewalld"
                    ? .run("firewall-cmd --permanent --add-port=\(end.vxlan.port)/udp && firewall-cmd --reload")
                    : .run("iptables -I INPUT -p udp --dport \(end.vxlan.port) -j ACCEPT", "or take the rule away"))
    }
}

/// Two that want one port and one number.
struct TunnelConflictCheck: Check {
    let name = "vxlan-conflict"
    let looksAt =
        "other VXLAN links with the same number and port on one host, and programs bound to the tunnel's UDP port"
    let why =
        "NSX, another overlay or a program holds UDP 4789: the tunnel is not made, or takes others' packets (`file exists`)"
    let threads: [Discussion] = [.moby(44_551), Discussion(repository: "moby/libnetwork", number: 1765)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        guard !ends.isEmpty else { return .irrelevant("no tunnel here") }
        return .of(twins(patient, ends) + programs(patient, ends))
    }

    private func twins(_ patient: Patient, _ ends: [TunnelEnd]) -> [Finding] {
        var findings: [Finding] = []
        for (position, one) in ends.enumerated() {
            guard
                let other = ends[..<position].first(where: {
                    $0.host == one.host && $0.vxlan.id == one.vxlan.id && $0.vxlan.port == one.vxlan.port
                })
            else { continue }
            findings.append(
                Finding(
                    .fault, "two links take VXLAN \(one.vxlan.id) on port \(one.vxlan.port)",
                    [other, one].map {
                        Evidence(
                            .link, "\($0.name): id \($0.vxlan.id) dstport \($0.vxlan.port)",
                            at: patient.place($0.position))
                    },
                    remedy: .run(
                        patient.command(one.position, "ip link delete \(one.name)"), "whichever of the two is left over"
                    )))
        }
        return findings
    }

    private func programs(_ patient: Patient, _ ends: [TunnelEnd]) -> [Finding] {
        var seen: Set<String> = []
        return ends.flatMap { end in
            patient.world[end.host].sockets.filter { socket in
                socket.protocol == .udp && socket.port == end.vxlan.port && socket.processName != nil
                    && seen.insert("\(end.host) \(socket.processID ?? 0)").inserted
            }.map { socket in
                let who = "\(socket.processName ?? "?") (pid \(socket.processID ?? 0))"
                return Finding(
                    .fault, "\(who) holds UDP port \(end.vxlan.port), on which the tunnel's packets come in",
                    [
                        Evidence(
                            .socket, "udp \(Packet.endpoint(socket.address, socket.port)) \(who)",
                            at: patient.place(end.host))
                    ],
                    remedy: .advice(
                        "stop that program, or give the swarm another port: docker swarm init --data-path-port"))
            }
        }
    }
}

/// The address by which others know this node is the one its packets come from.
struct TunnelAddressCheck: Check {
    let name = "vtep-address"
    let looksAt =
        "the tunnel's local address and the source that the kernel chooses, against the address to which peers send"
    let why =
        "peers know the node by one address and its packets come from another: all of them are lost (`VXLAN_ENTRY_EXISTS`)"
    let threads: [Discussion] = [.moby(53_004)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        guard !ends.isEmpty else { return .irrelevant("no tunnel here") }
        return .of(ends.compactMap { missing(patient, $0) ?? advertised(patient, $0) } + differing(patient, ends))
    }

    /// What the engine has told the other nodes, against the source that the kernel chooses.
    private func advertised(_ patient: Patient, _ end: TunnelEnd) -> Finding? {
        guard let told = patient.engine(end.host)?.nodeAddress, let peer = patient.peers(of: end).first,
            told.family == peer.family, patient.network(ofOverlay: end.position) != nil
        else { return nil }
        let routing = Routing(patient.world[end.host])
        let decision = routing.decide(RouteQuery(destination: peer))
        guard let own = end.vxlan.local ?? routing.preferredSource(for: decision, to: peer), own != told else {
            return nil
        }
        return Finding(
            .fault, "the other nodes know this one as \(told), and its tunnel packets come from \(own)",
            [
                Evidence(
                    .route,
                    "\(decision.route.map { "\($0.destination) dev \($0.link ?? "?")" } ?? "no route") to \(peer), src \(own)",
                    at: patient.place(end.host)),
                Evidence(.answer, "docker info: NodeAddr \(told)", at: patient.place(end.host), owner: "Docker"),
            ],
            remedy: .run(
                "ip route replace \(peer) src \(told) dev \(decision.route?.link ?? "LINK")",
                "or join the swarm again with --data-path-addr \(own)"))
    }

    private func missing(_ patient: Patient, _ end: TunnelEnd) -> Finding? {
        guard let local = end.vxlan.local, !patient.world.holds(end.host, local) else { return nil }
        return Finding(
            .fault, "\(end.name) sends from \(local), which no link of the host has",
            [Evidence(.link, "\(end.name): local \(local)", at: patient.place(end.position))],
            remedy: .advice("give the address back to its link, or join the swarm again with --data-path-addr"))
    }

    /// What one host's entries say of another, against that one's own choice.
    private func differing(_ patient: Patient, _ ends: [TunnelEnd]) -> [Finding] {
        var findings: [Finding] = []
        for end in ends {
            for other in ends where other.host != end.host && other.vxlan.id == end.vxlan.id {
                let known = patient.peers(of: other).filter { patient.world.holds(end.host, $0) }
                guard !known.isEmpty,
                    let back = patient.peers(of: end).first(where: { patient.world.holds(other.host, $0) })
                else { continue }
                let routing = Routing(patient.world[end.host])
                let decision = routing.decide(RouteQuery(destination: back))
                guard let own = end.vxlan.local ?? routing.preferredSource(for: decision, to: back),
                    !known.contains(own)
                else { continue }
                findings.append(
                    Finding(
                        .fault,
                        "\(patient.place(end.host).title) sends from \(own), and \(patient.place(other.host).title) knows it as \(known[0])",
                        [
                            Evidence(
                                .link,
                                "\(end.name): \(end.vxlan.local.map { "local \($0)" } ?? "no local address; the route says \(own)")",
                                at: patient.place(end.position)),
                            Evidence(.forwarding, "dst \(known[0])", at: patient.place(other.position)),
                        ],
                        remedy: .advice(
                            "join the swarm again with --data-path-addr \(own), or route to \(back) from \(known[0])")))
            }
        }
        return findings
    }
}

extension Patient {
    /// The hosts to which a tunnel sends, by its forwarding entries, sorted.
    func peers(of end: TunnelEnd) -> [IPAddress] {
        let entries = world[end.position].forwarding.filter { $0.link == end.name }
        return Set(entries.map(\.destination)).filter { !world.holds(end.host, $0) }.sorted()
    }
}
