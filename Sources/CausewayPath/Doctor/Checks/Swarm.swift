import CausewayKernel
import CausewayModel

/// Docker Swarm without its balancer.
struct IPVSMissingCheck: Check {
    let name = "ipvs-missing"
    let looksAt = "whether the kernel has IPVS, where Docker Swarm's balancers are"
    let why =
        "Docker Swarm balances by IPVS alone, and says nothing when the kernel has none: published ports and virtual IPs are dead"
    let threads: [Discussion] = [.moby(24_005), Discussion(repository: "scaleway/kernel-tools", number: 343)]

    func examine(_ patient: Patient) -> Examination {
        let boxes = patient.inner.filter { patient.isSandbox($0) }
        guard !boxes.isEmpty else { return .irrelevant("no balancer's namespace of Docker Swarm here") }
        return patient.each(boxes, missing: "the inventory does not say whether the kernel has IPVS") { box in
            guard let hasIPVS = patient.world[box].hasIPVS ?? (patient.world[box].ipvs.isEmpty ? nil : true) else {
                return nil
            }
            guard !hasIPVS else { return [] }
            let ports = patient.meshPorts(box).map(\.text)
            let isIngress = patient.world[box].name.hasSuffix("ingress_sbox")
            guard !isIngress || !ports.isEmpty else { return [] }
            let what =
                !isIngress
                ? "this is why the virtual IPs of this network are dead"
                : ports.count == 1
                    ? "this is why the published port \(ports[0]) is dead"
                    : "this is why the published ports \(ports.joined(separator: ", ")) are dead"
            return [
                Finding(
                    .fault, "the kernel has no IPVS: \(what)",
                    [
                        Evidence(.balancer, "/proc/net/ip_vs: no such file", at: patient.place(box), owner: "Docker")
                    ] + patient.marks(box).map { Evidence(.rule, $0.text, at: patient.place(box), owner: "Docker") },
                    remedy: .run(
                        "modprobe ip_vs",
                        "and restart Docker; where the kernel was built without CONFIG_IP_VS, another kernel, or a network of Causeway's, or mode=host"
                    ))
            ]
        }
    }
}

/// The jumps to what Swarm's chains hold, and what they have to hold.
struct IngressJumpCheck: Check {
    let name = "docker-ingress-jump"
    let looksAt =
        "the jumps to DOCKER-INGRESS in nat PREROUTING, nat OUTPUT and filter FORWARD, and the chain's rule for each published port"
    let why =
        "a firewall's reload takes the jump or the rules away: every published port is dead, and dockerd does not notice"
    let threads: [Discussion] = [.moby(34_939), Discussion(repository: "moby/swarmkit", number: 2937)]

    func examine(_ patient: Patient) -> Examination {
        let hosts = patient.hosts.filter { host in
            patient.isSwarm(host)
                && (!patient.meshPorts(host).isEmpty || patient.world[host].iptables.contains { Ingress.rules($0) > 0 })
        }
        guard !hosts.isEmpty else { return .irrelevant("no Docker Swarm that publishes a port here") }
        return .of(
            hosts.flatMap { host in
                rules(patient, host)
                    + patient.world[host].iptables.filter { Ingress.rules($0) > 0 }.flatMap {
                        missing(patient, host, $0)
                    }
            })
    }

    /// Ports that are published and of which the chain knows nothing.
    private func rules(_ patient: Patient, _ host: Int) -> [Finding] {
        let chain = patient.world[host].iptables.first { $0.family == .ip && $0.name == "nat" }?.chains
            .first { $0.name == Ingress.name }
        let known = Set((chain?.rules ?? []).flatMap(\.ports))
        return patient.meshPorts(host).filter { !known.contains($0.port) }.map { port in
            Finding(
                .fault, "nothing in the host's rules leads \(port.text) to the balancer",
                [
                    Evidence(
                        .chain,
                        "iptables nat \(Ingress.name): \(chain == nil ? "no such chain" : "no rule for port \(port.port)")",
                        at: patient.place(host), owner: "Docker")
                ],
                remedy: .run(
                    "systemctl restart docker",
                    "it makes its rules anew; where its log says that the balancer cannot be made, that is the cause"))
        }
    }

    private func missing(_ patient: Patient, _ host: Int, _ table: IPTables.Table) -> [Finding] {
        let wanted = table.name == "nat" ? ["PREROUTING", "OUTPUT"] : table.name == "filter" ? ["FORWARD"] : []
        return wanted.filter { name in
            !(table.chains.first { $0.name == name }?.rules.contains { $0.target == .jump(Ingress.name) } ?? false)
        }.map { name in
            let tool = table.family == .ip ? "iptables" : "ip6tables"
            let match = table.name == "nat" ? "-m addrtype --dst-type LOCAL " : ""
            // FORWARD alone may let it pass by another rule.
            return Finding(
                name == "OUTPUT" ? .risk : .fault, "\(table.name) \(name) has no jump to DOCKER-INGRESS",
                [
                    Evidence(
                        .chain,
                        "\(tool) \(table.name) \(Ingress.name): \(Ingress.rules(table)) rules, nothing jumps here from \(name)",
                        at: patient.place(host), owner: "Docker")
                ],
                remedy: .run(
                    "\(tool) -t \(table.name) -I \(name) \(match)-j DOCKER-INGRESS", "restarting Docker does the same"))
        }
    }
}

/// Their order.
struct IngressOrderCheck: Check {
    let name = "docker-ingress-order"
    let looksAt =
        "the order of the jumps to DOCKER-USER, DOCKER-INGRESS, DOCKER-ISOLATION and DOCKER, and of rules that drop before them"
    let why =
        "whatever stands before DOCKER-INGRESS decides first: DOCKER-USER behind it filters nothing, DOCKER before it takes the port"
    let threads: [Discussion] = [.moby(34_939), Discussion(repository: "docker/classicswarm", number: 2545)]

    func examine(_ patient: Patient) -> Examination {
        let hosts = patient.hosts.filter { host in patient.world[host].iptables.contains { Ingress.rules($0) > 0 } }
        guard !hosts.isEmpty else { return .irrelevant("no chain DOCKER-INGRESS with rules here") }
        return .of(
            hosts.flatMap { host in
                patient.world[host].iptables.flatMap { table -> [Finding] in
                    switch table.name {
                    case "filter": forward(patient, host, table)
                    case "nat": prerouting(patient, host, table)
                    default: []
                    }
                }
            })
    }

    private func forward(_ patient: Patient, _ host: Int, _ table: IPTables.Table) -> [Finding] {
        guard let chain = table.chains.first(where: { $0.name == "FORWARD" }),
            let ingress = chain.rules.firstIndex(where: { $0.target == .jump(Ingress.name) })
        else { return [] }
        var findings: [Finding] = []
        let user = chain.rules.firstIndex { $0.target == .jump("DOCKER-USER") }
        if let user, user > ingress {
            findings.append(
                finding(
                    patient, host, .risk,
                    "DOCKER-USER stands behind DOCKER-INGRESS: its rules do not hold for published ports",
                    table, "FORWARD", [chain.rules[ingress], chain.rules[user]],
                    .run("iptables -I FORWARD -j DOCKER-USER", "restarting Docker does the same")))
        }
        for rule in chain.rules[..<ingress] where rule.drops && rule.matches.allSatisfy(\.isBroad) {
            findings.append(
                finding(
                    patient, host, .fault, "a rule before DOCKER-INGRESS drops what is published", table, "FORWARD",
                    [rule],
                    .run("iptables -D FORWARD \(rule.text)", "or put it behind DOCKER-INGRESS")))
        }
        return findings
    }

    private func prerouting(_ patient: Patient, _ host: Int, _ table: IPTables.Table) -> [Finding] {
        guard let chain = table.chains.first(where: { $0.name == "PREROUTING" }),
            let ingress = chain.rules.firstIndex(where: { $0.target == .jump(Ingress.name) }),
            let docker = chain.rules.firstIndex(where: { $0.target == .jump("DOCKER") }), docker < ingress
        else { return [] }
        func ports(_ name: String) -> Set<UInt16> {
            Set((table.chains.first { $0.name == name }?.rules ?? []).flatMap(\.ports))
        }
        let both = ports("DOCKER").intersection(ports(Ingress.name))
        guard !both.isEmpty else { return [] }
        let text = both.sorted().map { "\($0)" }.joined(separator: ", ")
        return [
            finding(
                patient, host, .fault, "a container's own port \(text) is taken before the service's", table,
                "PREROUTING",
                [chain.rules[docker], chain.rules[ingress]],
                .advice("publish one of the two on another port"))
        ]
    }

    private func finding(
        _ patient: Patient, _ host: Int, _ grade: Finding.Grade, _ cause: String, _ table: IPTables.Table,
        _ chain: String, _ rules: [IPTables.Rule], _ remedy: Remedy
    ) -> Finding {
        let tool = table.family == .ip ? "iptables" : "ip6tables"
        return Finding(
            grade, cause,
            rules.map { rule in
                let owner = rule.drops ? RuleOwner.unknown : "Docker"
                return Evidence(
                    .rule, "\(tool) \(table.name) \(chain): \(rule.text)", at: patient.place(host), owner: owner)
            }, remedy: remedy)
    }
}

/// The chain of Swarm's published ports.
enum Ingress {
    static let name = "DOCKER-INGRESS"

    /// How many, but for the final RETURN.
    static func rules(_ table: IPTables.Table) -> Int {
        table.chains.first { $0.name == name }?.rules.filter { $0.target != .return }.count ?? 0
    }
}

extension IPTables.Rule {
    fileprivate var drops: Bool {
        switch target {
        case .drop, .reject: true
        default: false
        }
    }

    fileprivate var ports: [UInt16] {
        matches.compactMap { if case .destinationPort(let range) = $0 { range.lowerBound } else { nil } }
    }
}

extension IPTables.Match {
    /// Takes in what comes from anywhere.
    fileprivate var isBroad: Bool {
        switch self {
        case .protocol, .comment: true
        case .state(let states): states.contains("NEW")
        default: false
        }
    }
}
