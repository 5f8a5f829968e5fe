import CausewayKernel
import CausewayModel

/// A balancer that leads to a task that is no more.
struct StaleBackendCheck: Check {
    let name = "stale-backend"
    let looksAt =
        "every address to which published ports and virtual IPs lead (Causeway's maps, Docker's DNAT rules), against who has it"
    let why = "traffic goes to dead tasks: one request in so many times out"
    let threads: [Discussion] = [.moby(33_952), .moby(41_668)]

    func examine(_ patient: Patient) -> Examination {
        var findings: [Finding] = []
        var count = 0
        for host in patient.hosts {
            let directory = Directory(patient.world.seen(from: host))
            for port in directory.published {
                let what = "\(port.port)/\(port.transport.rawValue)\(port.service.map { " of service \($0)" } ?? "")"
                count += port.targets.count
                findings += dead(patient, host, port.targets.map(\.address), what)
            }
            for vip in directory.virtualIPs {
                let what = "virtual IP \(vip.address)\(vip.service.map { " of service \($0)" } ?? "")"
                count += vip.targets.count
                findings += dead(patient, host, vip.targets, what)
            }
        }
        return count == 0 ? .irrelevant("nothing is published, and there is no virtual IP") : .of(findings)
    }

    private func dead(_ patient: Patient, _ host: Int, _ targets: [IPAddress], _ what: String) -> [Finding] {
        targets.filter { isNobodys(patient, host, $0) }.map { address in
            Finding(
                .fault, "\(what) leads to \(address), which no task has",
                [
                    Evidence(
                        .balancer, "\(what) -> \(address)", at: patient.place(host),
                        owner: patient.isCauseway(host) ? "Causeway" : "Docker")
                ],
                remedy: patient.isCauseway(host)
                    ? .run("causeway plan", "then restart causewayd: it writes its maps anew")
                    : .run("docker service update --force SERVICE", "or restart Docker on this node"))
        }
    }

    /// Neither a namespace of the host has it, nor does a route lead to another node for it.
    private func isNobodys(_ patient: Patient, _ host: Int, _ address: IPAddress) -> Bool {
        let world = patient.world
        if patient.all.contains(where: { world.holds($0, address) }) { return false }
        let decision = Routing(world[host]).decide(RouteQuery(destination: address))
        guard decision.kind == .unicast, let route = decision.route, let link = route.link else { return true }
        if link == Rtnl.goneLink { return true }
        // By a tunnel: the other node's, which is not here to be asked, unless it is.
        if world.link(host, named: link)?.vxlan != nil { return patient.hosts.count > 1 && areAllHere(patient, host) }
        // On a link of the host's own: a bridge that nobody with this address is on, or a task's that has lost it.
        let isBridge = world.link(host, named: link)?.isBridge == true
        return link.hasPrefix(Rtnl.linkPrefix) || (isBridge && link.hasPrefix("docker"))
    }

    /// Whether the inventories are of every node that the tunnel knows.
    private func areAllHere(_ patient: Patient, _ host: Int) -> Bool {
        let peers = patient.tunnels.filter { $0.host == host }.flatMap { patient.peers(of: $0) }
        return peers.allSatisfy { peer in patient.hosts.contains { patient.world.holds($0, peer) } }
    }
}

/// A task that runs, and gets nothing.
struct MissingBackendCheck: Check {
    let name = "missing-backend"
    let looksAt =
        "running tasks of services that publish a port or have a virtual IP, against the addresses that balancers lead to"
    let why = "live tasks are unreachable: the load is on the others, or the service is down although it runs"
    let threads: [Discussion] = [.moby(30_078), .moby(33_589)]

    func examine(_ patient: Patient) -> Examination {
        var findings: [Finding] = []
        var count = 0
        for host in patient.hosts where patient.isCauseway(host) {
            let directory = Directory(patient.world.seen(from: host))
            for position in patient.inner(of: host) {
                guard let service = patient.world.identity(position).service,
                    patient.world.inventory.owners.contains(where: {
                        $0.namespaceInode == patient.world[position].inode
                    })
                else { continue }
                count += 1
                findings += missing(patient, host, directory, position, service)
            }
        }
        return count == 0 ? .irrelevant("no task of a service on a Causeway node here") : .of(findings)
    }

    private func missing(
        _ patient: Patient, _ host: Int, _ directory: Directory, _ position: Int, _ service: String
    ) -> [Finding] {
        func finding(_ what: String) -> Finding {
            Finding(
                .risk, "\(what) does not lead to \(patient.place(position).heading), which runs",
                [Evidence(.balancer, what, at: patient.place(host), owner: "Causeway")],
                remedy: .run(
                    "docker service ps \(service)",
                    "a task that is starting, unhealthy or about to stop is left out on purpose; else restart causewayd"
                ))
        }
        let own = patient.world[position].addresses.map(\.address.address).filter {
            !$0.isLoopback && $0.v6?.isLinkLocal != true
        }
        /// Each family has balancers of its own.
        func isLeftOut(_ targets: [IPAddress]) -> Bool {
            Set(own.map(\.family)).contains { family in
                let all = targets.filter { $0.family == family }
                return !all.isEmpty && !all.contains { own.contains($0) }
            }
        }
        let ports = directory.published.filter { $0.service == service && isLeftOut($0.targets.map(\.address)) }
        let addresses = directory.virtualIPs.filter { $0.service == service && isLeftOut($0.targets) }
        return ports.map { finding("\($0.port)/\($0.transport.rawValue) of service \(service)") }
            + addresses.map { finding("virtual IP \($0.address) of service \(service)") }
    }
}

/// A port, and nobody behind it.
struct NoBackendCheck: Check {
    let name = "no-backend"
    let looksAt = "published ports and virtual IPs of services that lead to no task at all"
    let why = "every connection is refused: the service has no running, healthy task, or the node has not heard of it"
    let threads: [Discussion] = [.moby(30_078), .moby(53_141)]

    func examine(_ patient: Patient) -> Examination {
        var findings: [Finding] = []
        var count = 0
        for host in patient.hosts where patient.isCauseway(host) {
            let directory = Directory(patient.world.seen(from: host))
            count += directory.published.count + directory.virtualIPs.count
            for vip in directory.virtualIPs where vip.targets.isEmpty {
                let what = "virtual IP \(vip.address)\(vip.service.map { " of service \($0)" } ?? "")"
                findings.append(
                    Finding(
                        .risk, "\(what) leads to no task",
                        [
                            Evidence(
                                .balancer, what, at: patient.place(host), owner: vip.service.map { "service \($0)" })
                        ],
                        remedy: .run(
                            "docker service ps --no-trunc \(vip.service ?? "SERVICE")", "says why no task runs")))
            }
            for port in directory.published where port.targets.isEmpty {
                let what = "\(port.port)/\(port.transport.rawValue)\(port.service.map { " of service \($0)" } ?? "")"
                findings.append(
                    Finding(
                        .risk, "\(what) leads to no task",
                        [
                            Evidence(
                                .balancer, what, at: patient.place(host), owner: port.service.map { "service \($0)" })
                        ],
                        remedy: .run(
                            "docker service ps --no-trunc \(port.service ?? "SERVICE")", "says why no task runs")))
            }
        }
        return count == 0 ? .irrelevant("nothing is published on a Causeway node here") : .of(findings)
    }
}

/// A task that the host has no way to.
struct TaskRouteCheck: Check {
    let name = "task-route"
    let looksAt =
        "the host's route to each address of its tasks on Causeway networks: it has to lead to the task's own link"
    let why = "the task runs and nothing reaches it: its packets go nowhere, or to somebody else"
    let threads: [Discussion] = [.moby(34_632)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var findings: [Finding] = []
        var count = 0
        for position in patient.inhabited {
            for link in world[position].links {
                guard let peer = world.peer(of: link, in: position), world.isHost(peer.position),
                    peer.link.link.name.hasPrefix(Rtnl.linkPrefix)
                else { continue }
                for own in world[position].addresses where own.link == link.link.name && own.address.isHost {
                    count += 1
                    findings +=
                        finding(patient, position, own.address.address, peer.position, peer.link.link.name).map { [$0] }
                        ?? []
                }
            }
        }
        return count == 0 ? .irrelevant("no task on a Causeway network here") : .of(findings)
    }

    private func finding(
        _ patient: Patient, _ position: Int, _ address: IPAddress, _ host: Int, _ link: String
    ) -> Finding? {
        let decision = Routing(patient.world[host]).decide(RouteQuery(destination: address))
        let route = decision.route
        guard decision.kind != .unicast || route?.link != link else { return nil }
        let text = route.map {
            "\($0.destination) \($0.link.map { "dev \($0)" } ?? $0.kind.rawValue) table \($0.table)"
        }
        return Finding(
            .fault, "the host does not lead \(address) to \(patient.place(position).heading), which has it",
            [
                Evidence(
                    .route, text ?? "no route to \(address)", at: patient.place(host),
                    owner: patient.world.identity(position).name)
            ],
            remedy: .run(
                "ip route replace \(address) dev \(link) table \(Rtnl.taskTable) proto \(Rtnl.causewayProtocol)",
                "causewayd does so while it runs"))
    }
}
