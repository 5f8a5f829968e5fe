import CausewayKernel
import CausewayModel

/// An address is known, and the host behind which it is is not.
struct ForwardingMissingCheck: Check {
    let name = "fdb-missing"
    let looksAt = "permanent neighbours and routes of each tunnel, against its forwarding entries"
    let why = "frames to a live task on another node go nowhere: one of several backends times out"
    let threads: [Discussion] = [.moby(52_661), .moby(33_952)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        guard !ends.isEmpty else { return .irrelevant("no tunnel here") }
        return patient.each(Array(ends.indices), missing: "the inventory has no forwarding entries") { position in
            let end = ends[position]
            guard patient.world.knowsForwarding(end.position) else { return nil }
            return findings(patient, end)
        }
    }

    private func findings(_ patient: Patient, _ end: TunnelEnd) -> [Finding] {
        let space = patient.world[end.position]
        let known = Set(space.forwarding.filter { $0.link == end.name }.map(\.address))
        let hasDefault = known.contains { $0.rawValue == 0 }
        let neighbors = space.neighbors.filter { $0.neighbor.link == end.name && $0.state == "permanent" }
        var seen: Set<MACAddress> = []
        return neighbors.filter { one in
            !hasDefault && !known.contains(one.neighbor.address) && seen.insert(one.neighbor.address).inserted
        }.map { one in
            let whose = patient.world.owner(of: one.neighbor.destination, at: end.position)?.name
            return Finding(
                .fault,
                "\(end.name) does not know behind which node \(one.neighbor.destination)\(whose.map { " (\($0))" } ?? "") is",
                [
                    Evidence(
                        .neighbor,
                        "\(one.neighbor.destination) dev \(end.name) lladdr \(one.neighbor.address) permanent",
                        at: patient.place(end.position), owner: whose)
                ],
                remedy: .run(
                    patient.command(
                        end.position,
                        "bridge fdb append \(one.neighbor.address) dev \(end.name) dst NODE self permanent"),
                    patient.world.isHost(end.position)
                        ? "causewayd does so while it runs" : "or `docker service update --force` of the service there")
            )
        }
    }
}

/// An entry that leads to the wrong host, or to nobody.
struct ForwardingStaleCheck: Check {
    let name = "fdb-stale"
    let looksAt = "forwarding entries of each tunnel, against its neighbours and against where the address really is"
    let why = "frames go to a node that the task has left, or to one that is gone"
    let threads: [Discussion] = [.moby(41_668), .moby(33_872)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels
        guard !ends.isEmpty else { return .irrelevant("no tunnel here") }
        return patient.each(Array(ends.indices), missing: "the inventory has no forwarding entries") { position in
            let end = ends[position]
            guard patient.world.knowsForwarding(end.position) else { return nil }
            let entries = patient.world[end.position].forwarding.filter {
                $0.link == end.name && $0.address.rawValue != 0
            }
            return entries.compactMap { wrong(patient, end, $0) ?? orphan(patient, end, $0) }
        }
    }

    /// The host that has the Ethernet address is another one than the entry says.
    private func wrong(_ patient: Patient, _ end: TunnelEnd, _ entry: Rtnl.ForwardingEntry) -> Finding? {
        let world = patient.world
        let holders = patient.all.filter { position in
            world[position].links.contains { $0.link.address == entry.address && $0.link.kind != .loopback }
        }
        let homes = Set(holders.map { world.host(of: $0) })
        guard homes.count == 1, let home = homes.first, let holder = holders.first else { return nil }
        guard home == end.host || !world.holds(home, entry.destination) else { return nil }
        // Swarm's addresses are made of IP addresses: two networks may have one twice.
        guard holder != end.position, patient.isSameNetwork(holder, end) else { return nil }
        return Finding(
            .fault,
            "\(end.name) sends frames for \(world.place(holder).heading) to \(entry.destination), where it is not",
            [evidence(patient, end, entry, owner: world.identity(holder).name)],
            remedy: .run(
                patient.command(
                    end.position, "bridge fdb replace \(entry.address) dev \(end.name) dst NODE self permanent"),
                "with the address of \(world.place(home).title)"))
    }

    /// No neighbour entry leads to it: nothing can be sent there.
    private func orphan(_ patient: Patient, _ end: TunnelEnd, _ entry: Rtnl.ForwardingEntry) -> Finding? {
        let neighbors = patient.world[end.position].neighbors.filter { $0.neighbor.link == end.name }
        guard !neighbors.contains(where: { $0.neighbor.address == entry.address }) else { return nil }
        return Finding(
            .risk, "\(end.name) has a forwarding entry for \(entry.address), which is no neighbour's: left over",
            [evidence(patient, end, entry, owner: nil)],
            remedy: .run(
                patient.command(
                    end.position, "bridge fdb delete \(entry.address) dev \(end.name) dst \(entry.destination) self")))
    }

    private func evidence(_ patient: Patient, _ end: TunnelEnd, _ entry: Rtnl.ForwardingEntry, owner: String?)
        -> Evidence
    {
        Evidence(
            .forwarding, "\(entry.address) dev \(end.name) dst \(entry.destination) self",
            at: patient.place(end.position), owner: owner)
    }
}

/// A next hop that nobody can address.
struct NeighborMissingCheck: Check {
    let name = "neighbor-missing"
    let looksAt = "next hops of the routes through tunnels and to tasks, against permanent neighbour entries"
    let why = "nobody answers ARP in a tunnel or on a task's link: without the entry the packet waits, and is dropped"
    let threads: [Discussion] = [.moby(34_632)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var findings: [Finding] = []
        var seen: Set<String> = []
        var count = 0
        for position in patient.all {
            for route in world[position].routes where route.kind == .unicast {
                guard let link = route.link, let hop = nextHop(patient, position, route, link) else { continue }
                count += 1
                let isKnown = world[position].neighbors.contains {
                    $0.neighbor.link == link && $0.neighbor.destination == hop
                }
                guard !isKnown, seen.insert("\(position) \(link) \(hop)").inserted else { continue }
                let whose = world.owner(of: route.destination.address, at: position)?.name
                findings.append(
                    Finding(
                        .fault, "\(world.place(position).heading) has no neighbour entry for \(hop) on \(link)",
                        [
                            Evidence(
                                .route, "\(route.destination)\(route.gateway.map { " via \($0)" } ?? "") dev \(link)",
                                at: world.place(position), owner: whose)
                        ],
                        remedy: .run(
                            patient.command(position, "ip neigh replace \(hop) lladdr MAC dev \(link) nud permanent"),
                            "causewayd does so while it runs")))
            }
        }
        return count == 0 ? .irrelevant("no route here relies on permanent neighbours") : .of(findings)
    }

    /// Where Causeway's routes lead: into its tunnel, to a task, and from a task to the host.
    private func nextHop(_ patient: Patient, _ position: Int, _ route: Rtnl.Route, _ link: String) -> IPAddress? {
        let world = patient.world
        if world.isHost(position) {
            guard link.hasPrefix(Rtnl.linkPrefix), link != Rtnl.goneLink, route.table >= Rtnl.taskTable,
                route.table != 254, route.table != 255
            else { return nil }
            let isTunnel = world.link(position, named: link)?.vxlan != nil
            return route.gateway
                ?? (route.destination.isHost && !isTunnel || isTunnel && route.destination.isHost
                    ? route.destination.address : nil)
        }
        guard let gateway = route.gateway, gateway == Self.gateway4 || gateway == Self.gateway6 else { return nil }
        return gateway
    }

    private static let gateway4 = IPAddress("169.254.1.1")
    private static let gateway6 = IPAddress("fe80::1")
}

/// An entry with the Ethernet address of somebody else.
struct NeighborWrongCheck: Check {
    let name = "neighbor-stale"
    let looksAt = "neighbour entries for addresses of tasks, against the Ethernet address of the link that has them"
    let why = "after a task was replaced, its address leads to the Ethernet address of the dead one"
    let threads: [Discussion] = [.moby(33_952)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var findings: [Finding] = []
        for position in patient.all {
            for one in world[position].neighbors where ["permanent", "reachable"].contains(one.state) {
                guard
                    let (holder, link) = patient.holder(
                        of: one.neighbor.destination, seenFrom: position, on: one.neighbor.link),
                    let real = link.link.address, real != one.neighbor.address
                else { continue }
                findings.append(
                    Finding(
                        .fault,
                        "\(world.place(position).heading) sends to \(one.neighbor.destination) at \(one.neighbor.address); \(world.place(holder).heading) has \(real)",
                        [
                            Evidence(
                                .neighbor,
                                "\(one.neighbor.destination) dev \(one.neighbor.link) lladdr \(one.neighbor.address) \(one.state)",
                                at: world.place(position), owner: world.identity(holder).name)
                        ],
                        remedy: .run(
                            patient.command(
                                position,
                                "ip neigh replace \(one.neighbor.destination) lladdr \(real) dev \(one.neighbor.link) nud \(one.state)"
                            ))))
            }
        }
        return .of(findings)
    }
}

/// Somebody who does not answer at all.
struct NeighborFailedCheck: Check {
    let name = "neighbor-failed"
    let looksAt = "gateways and tunnel peers of the host that gave no answer to ARP or NDP"
    let why = "the cable, the switch or the other machine: nothing above it can work"
    let threads: [Discussion] = [.moby(34_763)]

    func examine(_ patient: Patient) -> Examination {
        patient.each(patient.hosts, missing: "the inventory has no neighbours without an answer") { host in
            let space = patient.world[host]
            guard let unanswered = space.unanswered else { return nil }
            let gateways = Set(space.routes.filter { $0.kind == .unicast }.compactMap(\.gateway))
            let peers = Set(patient.tunnels.filter { $0.host == host }.flatMap { patient.peers(of: $0) })
            return unanswered.filter { gateways.contains($0.destination) || peers.contains($0.destination) }.map {
                one in
                let what = gateways.contains(one.destination) ? "the gateway" : "the node at"
                return Finding(
                    one.state == "failed" ? .fault : .risk, "\(what) \(one.destination) does not answer on \(one.link)",
                    [
                        Evidence(
                            .neighbor, "\(one.destination) dev \(one.link) \(one.state.uppercased())",
                            at: patient.place(host))
                    ], remedy: .run("ping -c 3 \(one.destination)", "is it up, and on the same link?"))
            }
        }
    }
}

extension Patient {
    /// Who has an address on the other end of a link, or behind the tunnel that it is.
    func holder(of address: IPAddress, seenFrom position: Int, on name: String) -> (Int, NamespaceState.Link)? {
        guard let link = world.link(position, named: name) else { return nil }
        if let peer = world.peer(of: link, in: position) {
            guard let own = world[peer.position].addresses.first(where: { $0.address.address == address }),
                own.link == peer.link.link.name
            else { return nil }
            return (peer.position, peer.link)
        }
        guard link.vxlan != nil else { return nil }
        let holders =
            inner.filter { world[$0].addresses.contains { $0.address.address == address } }
            + hosts.filter { $0 != position && world[$0].addresses.contains { $0.address.address == address } }
        guard holders.count == 1, let holder = holders.first,
            let own = world[holder].addresses.first(where: { $0.address.address == address }),
            let end = world.link(holder, named: own.link)
        else { return nil }
        return (holder, end)
    }

    /// Whether a namespace is on the network that a tunnel is of, as far as its addresses tell.
    func isSameNetwork(_ position: Int, _ end: TunnelEnd) -> Bool {
        let known = world[end.position].neighbors.filter { $0.neighbor.link == end.name }
        return world[position].addresses.contains { own in
            known.contains { $0.neighbor.destination == own.address.address }
        }
    }
}
