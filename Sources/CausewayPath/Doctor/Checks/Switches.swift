import CausewayKernel
import CausewayModel

/// A host with tasks that does not forward is a wall.
struct ForwardingCheck: Check {
    let name = "ip-forward"
    let looksAt = "net.ipv4.ip_forward, net.ipv6.conf.all.forwarding and each outside link's forwarding, on the host"
    let why =
        "with forwarding off, a host takes a task's packets and loses them: published ports, virtual IPs and the way out are dead"
    let threads: [Discussion] = [.moby(26_563)]

    func examine(_ patient: Patient) -> Examination {
        let hosts = patient.hosts.filter { patient.forwards($0) }
        guard !hosts.isEmpty else { return .irrelevant("no tasks or containers here") }
        return patient.each(hosts, missing: "the inventory has no net.ipv4.ip_forward of the host") { host in
            guard let value = patient.world.sysctl(host, "net.ipv4.ip_forward") else { return nil }
            var findings: [Finding] = []
            if value == 0 { findings.append(finding(patient, host, "net.ipv4.ip_forward", "IPv4")) }
            let v6 = "net.ipv6.conf.all.forwarding"
            if patient.world.sysctl(host, v6) == 0, routesIPv6(patient, host) {
                findings.append(finding(patient, host, v6, "IPv6"))
            }
            return findings + (value == 0 ? [] : links(patient, host))
        }
    }

    private func finding(_ patient: Patient, _ host: Int, _ name: String, _ family: String) -> Finding {
        Finding(
            .fault, "the host does not forward \(family)", [patient.sysctl(host, name)],
            remedy: .run(
                "sysctl -w \(name)=1",
                "and find what switches it off: grep -r \(name.split(separator: ".").last ?? "") /etc/sysctl.conf /etc/sysctl.d"
            ))
    }

    /// A link may be kept out by itself.
    private func links(_ patient: Patient, _ host: Int) -> [Finding] {
        patient.world[host].links.compactMap { link in
            let part = String(link.link.name.map { $0 == "." ? "/" : $0 })
            let name = "net.ipv4.conf.\(part).forwarding"
            guard link.link.kind != .loopback, patient.world.sysctl(host, name) == 0 else { return nil }
            return Finding(
                .fault, "the host does not forward what comes in by \(link.link.name)", [patient.sysctl(host, name)],
                remedy: .run("sysctl -w \(name)=1"))
        }
    }

    private func routesIPv6(_ patient: Patient, _ host: Int) -> Bool {
        patient.world[host].routes.contains { route in
            route.destination.family == .ip6 && route.table == Rtnl.taskTable && route.kind == .unicast
                && route.link != Rtnl.goneLink
        }
    }
}

/// Docker never sets it in the balancers' namespaces: they inherit it from the machine's first one.
struct SandboxForwardingCheck: Check {
    let name = "sandbox-forward"
    let looksAt = "net.ipv4.ip_forward in ingress_sbox and in every lb_NETWORK namespace"
    let why = "dockerd never sets it there: a balancer that was made while it was 0 swallows every packet of the mesh"
    let threads: [Discussion] = [.moby(35_082)]

    func examine(_ patient: Patient) -> Examination {
        let boxes = patient.inner.filter { patient.isSandbox($0) }
        guard !boxes.isEmpty else { return .irrelevant("no balancer's namespace of Docker Swarm here") }
        return patient.each(boxes, missing: "the inventory has no sysctls of the balancers' namespaces") { box in
            guard let value = patient.world.sysctl(box, "net.ipv4.ip_forward") else { return nil }
            guard value == 0 else { return [] }
            return [
                Finding(
                    .fault, "the balancer \(patient.world[box].name) does not forward what it has balanced",
                    [patient.sysctl(box, "net.ipv4.ip_forward")],
                    remedy: .run(patient.command(box, "sysctl -w net.ipv4.ip_forward=1")))
            ]
        }
    }
}

/// `rp_filter` 1: a packet must come in by the link by which its answer would leave.
struct ReversePathCheck: Check {
    let name = "rp-filter"
    let looksAt = "rp_filter of the host's outside links, against the routes back to their subnets and beyond"
    let why =
        "strict source checks drop packets in silence on a host with two uplinks whose answers leave by the other one"
    let threads: [Discussion] = [.moby(25_526), .moby(53_004)]

    func examine(_ patient: Patient) -> Examination {
        patient.each(patient.hosts, missing: "the inventory has no rp_filter of the host's links") { host in
            let space = patient.world[host]
            let outside = space.links.filter { link in
                link.link.isUp && link.link.kind != .loopback && !link.link.name.hasPrefix(Rtnl.linkPrefix)
                    && space.addresses.contains { $0.link == link.link.name && $0.address.family == .ip }
            }
            guard outside.contains(where: { patient.effective(host, "rp_filter", $0.link.name) != nil }) else {
                return outside.isEmpty ? [] : nil
            }
            return outside.filter { patient.effective(host, "rp_filter", $0.link.name) == 1 }
                .compactMap { finding(patient, host, $0.link.name) }
        }
    }

    private func finding(_ patient: Patient, _ host: Int, _ link: String) -> Finding? {
        let space = patient.world[host]
        let routing = Routing(space)
        for own in space.addresses where own.link == link && own.address.family == .ip {
            guard !own.address.isHost, let neighbor = Self.neighbor(of: own.address) else { continue }
            let decision = routing.decide(RouteQuery(destination: neighbor, source: own.address.address))
            guard decision.kind == .unicast, let route = decision.route, let other = route.link, other != link else {
                continue
            }
            return Finding(
                .fault,
                "packets from \(own.address.network) that come in by \(link) are dropped: answers leave by \(other)",
                evidence(patient, host, link, route),
                remedy: .run(
                    "sysctl -w net.ipv4.conf.\(link).rp_filter=2",
                    "loose is enough against forged sources; or route \(own.address.network) by \(link)"))
        }
        return beyond(patient, host, link, routing)
    }

    /// A second uplink with a default route of its own that is not used for answers.
    private func beyond(_ patient: Patient, _ host: Int, _ link: String, _ routing: Routing) -> Finding? {
        let space = patient.world[host]
        let hasDefault = space.routes.contains {
            $0.link == link && $0.destination.prefixLength == 0 && $0.destination.family == .ip && $0.kind == .unicast
        }
        guard hasDefault, let own = space.addresses.first(where: { $0.link == link && $0.address.family == .ip })
        else { return nil }
        let decision = routing.decide(
            RouteQuery(destination: Question.documentation(.ip), source: own.address.address))
        guard decision.kind == .unicast, let route = decision.route, let other = route.link, other != link else {
            return nil
        }
        return Finding(
            .risk, "clients from far away that come in by \(link) are dropped: answers to them leave by \(other)",
            evidence(patient, host, link, route),
            remedy: .run(
                "sysctl -w net.ipv4.conf.\(link).rp_filter=2",
                "or give \(own.address.address) a routing table of its own (ip rule from \(own.address.address))"))
    }

    private func evidence(_ patient: Patient, _ host: Int, _ link: String, _ route: Rtnl.Route) -> [Evidence] {
        let names = ["all", String(link.map { $0 == "." ? "/" : $0 })].map { "net.ipv4.conf.\($0).rp_filter" }
        let decisive = names.first { patient.world.sysctl(host, $0) == 1 } ?? names[1]
        return [
            patient.sysctl(host, decisive),
            Evidence(
                .route, "\(route.destination) dev \(route.link ?? "?") metric \(route.metric)", at: patient.place(host)),
        ]
    }

    /// An address of the subnet that is not the host's own.
    static func neighbor(of own: CIDR) -> IPAddress? {
        guard case .v4(let last) = own.last, case .v4(let address) = own.address else { return nil }
        let other = last.rawValue - 1 == address.rawValue ? last.rawValue - 2 : last.rawValue - 1
        return own.prefixLength < 31 ? .v4(IPv4Address(rawValue: other)) : nil
    }
}

/// What comes out of Causeway's tunnel is answered by the mark, and the source check must know.
struct SourceMarkCheck: Check {
    let name = "src-valid-mark"
    let looksAt = "src_valid_mark and rp_filter of cw-vxlan, fwmark_reflect of the host"
    let why =
        "packets of other nodes' clients come out of the tunnel, and the route back is by mark: without it a strict source check drops all of them"
    let threads: [Discussion] = [.moby(25_526)]

    func examine(_ patient: Patient) -> Examination {
        let ends = patient.tunnels.filter { $0.name.hasPrefix(Rtnl.linkPrefix) && patient.world.isHost($0.position) }
        guard !ends.isEmpty else { return .irrelevant("no tunnel of Causeway's here") }
        var findings: [Finding] = []
        var isMissing = false
        for end in ends {
            guard let filter = patient.effective(end.position, "rp_filter", end.name),
                let valid = patient.effective(end.position, "src_valid_mark", end.name)
            else {
                isMissing = true
                continue
            }
            if filter == 1, valid == 0 {
                findings.append(strict(patient, end))
            }
            if patient.world.sysctl(end.position, "net.ipv4.fwmark_reflect") == 0 {
                findings.append(reflect(patient, end))
            }
        }
        return findings.isEmpty && isMissing
            ? .notSeen("the inventory has no src_valid_mark of the tunnel") : .of(findings)
    }

    private func strict(_ patient: Patient, _ end: TunnelEnd) -> Finding {
        let names = ["all", end.name].map { "net.ipv4.conf.\($0).rp_filter" }
        let decisive = names.first { patient.world.sysctl(end.position, $0) == 1 } ?? names[1]
        return Finding(
            .fault, "clients that another node lets in are dropped as they come out of \(end.name)",
            [
                patient.sysctl(end.position, decisive),
                patient.sysctl(end.position, "net.ipv4.conf.\(end.name).src_valid_mark"),
            ], remedy: .run("sysctl -w net.ipv4.conf.\(end.name).src_valid_mark=1", "causewayd does so when it runs"))
    }

    private func reflect(_ patient: Patient, _ end: TunnelEnd) -> Finding {
        Finding(
            .fault, "resets and errors that this node sends to clients of another node go the wrong way",
            [patient.sysctl(end.position, "net.ipv4.fwmark_reflect")],
            remedy: .run("sysctl -w net.ipv4.fwmark_reflect=1", "causewayd does so when it runs"))
    }
}

/// 127.0.0.0/8 from outside.
struct LocalRouteCheck: Check {
    let name = "route-localnet"
    let looksAt = "net.ipv4.conf.all.route_localnet, and that of each outside link"
    let why = "neighbours on the link reach services that listen on 127.0.0.1 alone (CVE-2020-8558)"
    let threads: [Discussion] = [Discussion(repository: "kubernetes/kubernetes", number: 90_259)]

    func examine(_ patient: Patient) -> Examination {
        patient.each(patient.hosts, missing: "the inventory has no route_localnet of the host") { host in
            let links = patient.world.outsideLinks(of: host).sorted()
            let names = (["all"] + links).map { link in
                "net.ipv4.conf.\(String(link.map { $0 == "." ? "/" : $0 })).route_localnet"
            }
            guard names.contains(where: { patient.world.sysctl(host, $0) != nil }) else { return nil }
            return names.filter { patient.world.sysctl(host, $0) == 1 }.map { name in
                Finding(
                    .risk, "who is on the link can reach what listens on 127.0.0.1", [patient.sysctl(host, name)],
                    remedy: .run("sysctl -w \(name)=0", "kube-proxy and old recipes set it; Causeway never does"))
            }
        }
    }
}

/// Docker switches IPv6 off in a container's namespace when it finds no address of its own there.
struct TaskIPv6Check: Check {
    let name = "task-ipv6"
    let looksAt = "net.ipv6.conf.eth0.disable_ipv6 in the namespaces of tasks to which the host routes IPv6"
    let why = "the task has lost its IPv6 addresses: the port is published on IPv6 and nobody answers"
    let threads: [Discussion] = [.moby(52_469)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var findings: [Finding] = []
        var count = 0
        for position in patient.inner {
            for link in world[position].links {
                guard let peer = world.peer(of: link, in: position), world.isHost(peer.position) else { continue }
                let routed = world[peer.position].routes.first {
                    $0.link == peer.link.link.name && $0.destination.family == .ip6 && $0.destination.isHost
                        && $0.kind == .unicast
                }
                let name = "net.ipv6.conf.\(link.link.name).disable_ipv6"
                guard let routed, let value = world.sysctl(position, name) else { continue }
                count += 1
                guard value == 1 else { continue }
                findings.append(
                    Finding(
                        .fault,
                        "\(patient.place(position).heading) has IPv6 switched off, and the host sends \(routed.destination.address) to it",
                        [patient.sysctl(position, name)],
                        remedy: .run(
                            patient.command(position, "sysctl -w \(name)=0"), "causewayd puts the address back")))
            }
        }
        guard count > 0 else { return .irrelevant("the host routes no IPv6 address to a task") }
        return .of(findings)
    }
}
