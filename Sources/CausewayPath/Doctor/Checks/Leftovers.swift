import CausewayKernel
import CausewayModel

/// A link that should carry packets and is down.
struct LinkDownCheck: Check {
    let name = "link-down"
    let looksAt = "links to tasks and containers, their ends, tunnels and bridges: up, and with a carrier"
    let why = "one link that is down, and everything behind it is silent"
    let threads: [Discussion] = [.moby(34_632)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var findings: [Finding] = []
        for position in patient.all {
            for link in world[position].links where !link.link.isUp && isWanted(patient, position, link) {
                let peer = world.peer(of: link, in: position).map(\.position)
                let whose = world.identity(position).name ?? peer.flatMap { world.identity($0).name }
                findings.append(
                    Finding(
                        .fault,
                        "\(link.link.name) of \(world.place(position).heading)\(whose.map { " (\($0))" } ?? "") is down",
                        [Evidence(.link, "\(link.link.name) state DOWN", at: world.place(position), owner: whose)],
                        remedy: .run(patient.command(position, "ip link set \(link.link.name) up"))))
            }
        }
        return .of(findings)
    }

    private func isWanted(_ patient: Patient, _ position: Int, _ link: NamespaceState.Link) -> Bool {
        let world = patient.world
        if link.link.kind == .loopback { return false }
        if link.link.name.hasPrefix(Rtnl.linkPrefix) || link.vxlan != nil { return true }
        if !world.isHost(position),
            world.identity(position).name != nil || patient.isSandbox(position) || patient.isOverlay(position)
        {
            return link.peerIndex != nil || link.isBridge
        }
        guard let peer = world.peer(of: link, in: position) else { return link.link.name == "docker_gwbridge" }
        return peer.position != position
            && (world.identity(peer.position).name != nil || patient.isSandbox(peer.position))
    }
}

/// A link that should be a bridge's port and is not.
struct BridgePortCheck: Check {
    let name = "bridge-port"
    let looksAt = "whether the ends of containers' links, and Docker Swarm's tunnels, are ports of a bridge"
    let why = "a task whose link fell out of its bridge runs, and hears nobody"
    let threads: [Discussion] = [Discussion(repository: "moby/libnetwork", number: 562)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var findings: [Finding] = []
        for position in patient.all {
            for link in world[position].links where link.controller == nil && isWanted(patient, position, link) {
                let peer = world.peer(of: link, in: position).map(\.position)
                let whose = peer.flatMap { world.identity($0).name ?? (patient.isSandbox($0) ? world[$0].name : nil) }
                findings.append(
                    Finding(
                        .fault,
                        "\(link.link.name)\(whose.map { ", the link of \($0)," } ?? "") is a port of no bridge",
                        [Evidence(.link, "\(link.link.name) master -", at: world.place(position), owner: whose)],
                        remedy: .run(
                            patient.command(
                                position, "ip link set \(link.link.name) master \(bridge(patient, position))"))))
            }
        }
        return .of(findings)
    }

    private func bridge(_ patient: Patient, _ position: Int) -> String {
        patient.world[position].links.first { $0.isBridge }?.link.name ?? "BRIDGE"
    }

    private func isWanted(_ patient: Patient, _ position: Int, _ link: NamespaceState.Link) -> Bool {
        let world = patient.world
        if patient.isOverlay(position) { return link.vxlan != nil || link.peerIndex != nil }
        guard world.isHost(position), link.link.name.hasPrefix("veth"),
            !world[position].addresses.contains(where: { $0.link == link.link.name }),
            let peer = world.peer(of: link, in: position), peer.position != position
        else { return false }
        return world.identity(peer.position).name != nil || patient.isSandbox(peer.position)
    }
}

/// Links of containers that are dead.
struct LeftoverLinkCheck: Check {
    let name = "leftover-link"
    let looksAt = "veth links on the host whose other end is on the host too, or gone"
    let why =
        "what a dead container left behind takes names and addresses, until making the next one fails with `file exists`"
    let threads: [Discussion] = [
        Discussion(repository: "moby/libnetwork", number: 1765), Discussion(repository: "moby/libnetwork", number: 751),
    ]

    func examine(_ patient: Patient) -> Examination {
        .of(
            patient.hosts.flatMap { host in
                patient.world[host].links.compactMap { finding(patient, host, $0) }
            })
    }

    private func finding(_ patient: Patient, _ host: Int, _ link: NamespaceState.Link) -> Finding? {
        let world = patient.world
        let name = link.link.name
        let isOurs = name.hasPrefix(Rtnl.linkPrefix) && isPair(link)
        guard isOurs || name.hasPrefix("veth"), !world[host].addresses.contains(where: { $0.link == name }) else {
            return nil
        }
        let text: String
        if let peer = world.peer(of: link, in: host) {
            guard peer.position == host else { return nil }
            text = "its other end, \(peer.link.link.name), is on the host"
        } else {
            guard link.peerNamespace == nil, link.peerIndex == nil || isOurs else { return nil }
            text = "its other end is gone"
        }
        return Finding(
            .risk, "\(name) is left over: \(text)",
            [Evidence(.link, name, at: patient.place(host), owner: isOurs ? "Causeway" : "Docker")],
            remedy: .run("ip link delete \(name)"))
    }

    private func isPair(_ link: NamespaceState.Link) -> Bool {
        switch link.link.kind {
        case .veth, .vethPeer, .other("veth"): true
        default: false
        }
    }
}

/// Namespaces in which nobody lives.
struct LeftoverNamespaceCheck: Check {
    let name = "leftover-namespace"
    let looksAt =
        "named namespaces of tasks and containers, against the engine's running containers and against processes"
    let why = "a dead container's namespace keeps its address and its links, and answers pings for it"
    let threads: [Discussion] = [Discussion(repository: "moby/libnetwork", number: 945)]

    func examine(_ patient: Patient) -> Examination {
        let candidates = patient.inner.filter { isContainers(patient, $0) }
        guard !candidates.isEmpty else { return .irrelevant("no namespace of a task or container here") }
        let owned = Set(patient.world.inventory.owners.map(\.namespaceInode))
        return patient.each(
            candidates, missing: "the inventory does not say where processes live, or no engine answered"
        ) { position in
            let space = patient.world[position]
            guard let isInhabited = space.isInhabited else { return nil }
            guard !isInhabited, !owned.contains(space.inode) else { return [] }
            return [
                Finding(
                    .risk, "namespace \(space.name) is left over: no process lives in it, and no container has it",
                    [
                        Evidence(
                            .namespace, space.path, at: patient.place(position),
                            owner: space.name.hasPrefix(Rtnl.linkPrefix) ? "Causeway" : "Docker")
                    ],
                    remedy: space.name.hasPrefix(Rtnl.linkPrefix)
                        ? .run("ip netns delete \(space.name)", "causewayd does so when it starts")
                        : .run("umount \(space.path) && rm \(space.path)"))
            ]
        }
    }

    /// Causeway's `cw-SERVICE.SLOT.ID`, and Docker's twelve digits; not its balancers, in which no process ever lives.
    private func isContainers(_ patient: Patient, _ position: Int) -> Bool {
        let space = patient.world[position]
        if space.name.hasPrefix(Rtnl.linkPrefix) { return true }
        return space.path.contains("docker/netns/") && space.name.count == 12 && space.name.allSatisfy(\.isHexDigit)
    }
}
