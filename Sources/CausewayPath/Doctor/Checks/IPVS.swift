import CausewayKernel
import CausewayModel

/// What Docker Swarm's balancers hold, against what the engine says of tasks.
struct BalancerCheck: Check {
    let name = "ipvs-destinations"
    let looksAt =
        "the destinations of each IPVS service in ingress_sbox and lb_NETWORK, against the tasks that the engine knows on that network"
    let why =
        "a destination that is gone takes one connection in so many, and a task that is missing gets none; dockerd sets both once and never looks again"
    let threads: [Discussion] = [.moby(33_952), .moby(41_668), .moby(30_078)]

    func examine(_ patient: Patient) -> Examination {
        let boxes = patient.inner.filter { patient.isSandbox($0) && patient.world[$0].hasIPVS != false }
        guard !boxes.isEmpty else { return .irrelevant("no balancer of Docker Swarm's here") }
        return patient.each(boxes, missing: "no engine says which tasks there are") { box in
            guard let network = patient.network(ofBalancer: box) else { return nil }
            return network.services.filter { !$0.name.isEmpty && $0.mark != nil && $0.virtualIP != nil }
                .flatMap { compare(patient, box, $0) } + unknown(patient, box, network)
        }
    }

    private func compare(_ patient: Patient, _ box: Int, _ told: EngineState.NetworkService) -> [Finding] {
        guard let mark = told.mark, !told.backends.isEmpty else { return [] }
        guard let service = patient.world[box].ipvs.first(where: { $0.key == .mark(mark) }) else {
            return [
                finding(
                    patient, box, told, .fault,
                    "service \(told.name) has no balancer: nothing takes the mark \(hex(mark))",
                    "FWM \(mark): no such service")
            ]
        }
        let known = Dictionary(told.backends.map { ($0.address, $0.name) }) { first, _ in first }
        let stale = service.destinations.filter { known[$0.address] == nil }.map { one in
            finding(
                patient, box, told, .fault,
                "the balancer of service \(told.name) leads to \(one.address), which is no task's",
                "FWM \(mark) -> \(one.address) weight \(one.weight)")
        }
        let missing = known.filter { address, _ in !service.destinations.contains { $0.address == address } }
            .sorted { $0.key < $1.key }.map { address, name in
                finding(
                    patient, box, told, .fault,
                    "the balancer of service \(told.name) does not lead to \(World.Identity.short(name)) (\(address))",
                    "FWM \(mark): \(service.destinations.map { "\($0.address)" }.joined(separator: " "))")
            }
        let idle = service.destinations.filter { $0.weight == 0 && known[$0.address] != nil }.map { one in
            finding(
                patient, box, told, .risk,
                "\(World.Identity.short(known[one.address] ?? "")) (\(one.address)) takes no new connections: its weight is 0",
                "FWM \(mark) -> \(one.address) weight 0")
        }
        return stale + missing + idle
    }

    /// A mark that is set and that no balancer takes.
    private func unknown(_ patient: Patient, _ box: Int, _ network: EngineState.Network) -> [Finding] {
        patient.marks(box).filter { rule in
            !patient.world[box].ipvs.contains { $0.key == .mark(rule.mark) }
                && !network.services.contains { $0.mark == rule.mark }
        }.map { rule in
            Finding(
                .fault, "port \(rule.port)/\(rule.transport) gets the mark \(hex(rule.mark)), which no balancer takes",
                [Evidence(.rule, rule.text, at: patient.place(box), owner: "Docker")],
                remedy: .run("systemctl restart docker", "it makes marks and balancers anew"))
        }
    }

    private func finding(
        _ patient: Patient, _ box: Int, _ told: EngineState.NetworkService, _ grade: Finding.Grade, _ cause: String,
        _ object: String
    ) -> Finding {
        Finding(
            grade, cause, [Evidence(.balancer, object, at: patient.place(box), owner: "service \(told.name)")],
            remedy: .run(
                "docker service update --force \(told.name)", "where that does not help, restart Docker on this node"))
    }

    private func hex(_ mark: UInt32) -> String { "0x\(String(mark, radix: 16))" }
}

/// Connections that IPVS forgets before the program does.
struct BalancerTimeoutCheck: Check {
    let name = "ipvs-timeouts"
    let looksAt =
        "tcp_keepalive_time of tasks behind IPVS against its 900 seconds, and conn_reuse_mode, expire_nodest_conn of the balancers"
    let why = "IPVS forgets a connection after 15 minutes without a packet: the next query of a connection pool hangs"
    let threads: [Discussion] = [.moby(31_208), .moby(37_466), .moby(35_082)]

    private static let idle = 900

    func examine(_ patient: Patient) -> Examination {
        let boxes = patient.inner.filter { !patient.world[$0].ipvs.isEmpty }
        guard !boxes.isEmpty else { return .irrelevant("no IPVS service here") }
        let tasks = patient.inhabited.filter { patient.world.sysctl($0, "net.ipv4.tcp_keepalive_time") != nil }
        var findings = boxes.flatMap { settings(patient, $0) }
        let late = tasks.filter { (patient.world.sysctl($0, "net.ipv4.tcp_keepalive_time") ?? 0) >= Self.idle }
        if let first = late.first {
            findings.append(
                Finding(
                    .note,
                    "connections that \(late.count) tasks and containers leave idle for \(Self.idle) s are forgotten by the balancer",
                    [patient.sysctl(first, "net.ipv4.tcp_keepalive_time")],
                    remedy: .run(
                        "docker service update --sysctl-add net.ipv4.tcp_keepalive_time=600 SERVICE",
                        "and switch keep-alive on in the program; or --endpoint-mode dnsrr")))
        }
        return findings.isEmpty && tasks.isEmpty && !patient.inhabited.isEmpty
            ? .notSeen("the inventory has no tcp_keepalive_time of tasks") : .of(findings)
    }

    private func settings(_ patient: Patient, _ box: Int) -> [Finding] {
        let wrong: [(String, Int, String)] = [
            ("net.ipv4.vs.conn_reuse_mode", 1, "a client's port that is used again waits a second"),
            ("net.ipv4.vs.expire_nodest_conn", 0, "connections to a task that is gone hang instead of ending"),
        ]
        return wrong.filter { patient.world.sysctl(box, $0.0) == $0.1 }.map { name, value, what in
            Finding(
                .risk, "\(patient.place(box).heading): \(what)", [patient.sysctl(box, name)],
                remedy: .run(
                    patient.command(box, "sysctl -w \(name)=\(1 - value)"), "Docker sets it when it makes a balancer"))
        }
    }
}

extension Patient {
    /// What the engine of a namespace's own host says.
    func engine(_ position: Int) -> EngineState? {
        let host = world.hosts.first { $0.position == world.host(of: position) }
        return inventories.first { $0.hostname == host?.name }?.engine
    }

    /// The network that a balancer's namespace is for.
    func network(ofBalancer box: Int) -> EngineState.Network? {
        let name = world[box].bareName
        let networks = engine(box)?.networks ?? []
        if name.hasSuffix("ingress_sbox") { return networks.first { $0.isIngress } }
        let id = name.dropFirst("lb_".count)
        return networks.first { !id.isEmpty && $0.id.hasPrefix(id) }
    }

    /// The network of an overlay's own namespace, `1-` and the beginning of its identifier.
    func network(ofOverlay position: Int) -> EngineState.Network? {
        let parts = world[position].bareName.split(separator: "-", maxSplits: 1)
        guard parts.count == 2, !world.isHost(position) else { return nil }
        return engine(position)?.networks.first { $0.driver == "overlay" && $0.id.hasPrefix(parts[1]) }
    }

    /// Tasks and balancers of a network that are on other hosts.
    func remoteBackends(_ network: EngineState.Network, _ host: Int) -> [EngineState.Backend] {
        network.services.flatMap(\.backends).filter { one in
            one.host.map { !world.holds(host, $0) } ?? false
        }
    }
}
