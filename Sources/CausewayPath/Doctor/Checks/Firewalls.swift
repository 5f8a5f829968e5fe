import CausewayKernel
import CausewayModel

/// A filter of forwarded packets that takes published ports for strangers' traffic.
struct ForwardFilterCheck: Check {
    let name = "forward-drop"
    let looksAt =
        "every rule and policy at the host's FORWARD hook, by walking a packet to each published port and virtual IP"
    let why =
        "ufw, firewalld or a bare policy drops what is forwarded, and a published port is forwarded: the port looks open in the firewall and is dead"
    let threads: [Discussion] = [
        .moby(49_536), .moby(34_939), Discussion(repository: "firewalld/firewalld", number: 503),
    ]

    func examine(_ patient: Patient) -> Examination {
        guard !patient.ways.all.isEmpty else { return .irrelevant("nothing is published, and no task runs") }
        let failing = patient.ways.all.filter { !$0.arrives && $0.filterHook == "forward" }
        return .of(
            Grouping.byEnd(failing).map { ways, evidence in
                let space = patient.world[patient.world.host(of: ways[0].position)]
                let owner =
                    evidence.owner ?? (evidence.kind == .chain ? RuleOwner.ofPolicy(space) : RuleOwner.unknown)
                var evidence = evidence
                evidence.owner = owner
                return Finding(
                    ways[0].isCertain ? .fault : .risk, "\(owner) drops forwarded packets: \(Grouping.list(ways))",
                    [evidence],
                    remedy: Self.remedy(owner, patient, space))
            })
    }

    private static func remedy(_ owner: String, _ patient: Patient, _ space: NamespaceState) -> Remedy {
        switch owner {
        case let one where one.hasPrefix("ufw"):
            return .run("ufw default allow routed", "or ufw route allow for the ports, or restart Docker after ufw")
        case "firewalld":
            return .run(
                "firewall-cmd --permanent --zone=docker --add-interface=docker_gwbridge && firewall-cmd --reload",
                "on a Causeway node causewayd puts its own entry back while it runs")
        case "Causeway": return .advice("`causeway plan` shows what differs from what should be; restart causewayd")
        case "Docker", "a bare policy":
            let isOurs = space.tables.contains { $0.name == KernelState.tableName }
            return isOurs
                ? .run("systemctl restart causewayd", "it lets its own traffic through Docker's chain DOCKER-USER")
                : .run("systemctl restart docker", "Docker makes its accepting rules anew")
        default: return .advice("take the rule away, or let the published ports through in DOCKER-USER before it")
        }
    }
}

/// What people believe of INPUT does not hold for published ports.
struct FirewallDisagreesCheck: Check {
    let name = "open-beyond-firewall"
    let looksAt =
        "what `causeway exposure` finds: published ports that the host's firewall refuses and that can be reached all the same"
    let why =
        "published ports are translated before the firewall's rules for the host see them: who relies on ufw is open to the world"
    let threads: [Discussion] = [.moby(22_054), .moby(32_299)]

    func examine(_ patient: Patient) -> Examination {
        guard !patient.ways.exposures.isEmpty else { return .notSeen("the inventory has no host's own namespace") }
        var findings: [Finding] = []
        for (host, exposure) in patient.ways.exposures.sorted(by: { $0.key < $1.key }) {
            for one in exposure.disagreements where one.kind == .refusedButReachable {
                let ports = Exposure.Opening.text(one.firstPort, one.lastPort, one.transport)
                let places = one.addresses.map { "\($0)" }.joined(separator: " ")
                findings.append(
                    Finding(
                        .risk, "\(ports) at \(places) can be reached although the host's firewall refuses it",
                        [
                            Evidence(
                                .rule, one.firewall, at: patient.place(host),
                                owner: RuleOwner.inText(one.firewall) ?? RuleOwner.ofPolicy(patient.world[host]))
                        ],
                        remedy: .run(
                            patient.isCauseway(host)
                                ? "docker service update --label-add causeway.publish.\(one.firstPort).from=CIDR SERVICE"
                                : "iptables -I DOCKER-USER -p \(one.transport.rawValue) -m conntrack --ctorigdstport \(one.firstPort) -j DROP",
                            "if it is not meant to be open; \(one.reality)")))
            }
        }
        return .of(findings)
    }
}

/// Rules in both of iptables' two kernels: each sees its own half.
struct TwoTablesCheck: Check {
    let name = "two-iptables"
    let looksAt = "whether one iptables table has rules both in nftables and in the old interface"
    let why =
        "packets pass both sets of rules, every tool shows one: Docker writes into one and the firewall into the other"
    let threads: [Discussion] = [.moby(46_636), .moby(43_382)]

    func examine(_ patient: Patient) -> Examination {
        let findings = patient.all.compactMap { position -> Finding? in
            let tables = patient.world[position].iptables.filter { table in
                table.chains.contains { !$0.rules.isEmpty || $0.policy == "DROP" }
            }
            let twice = tables.filter { one in
                tables.filter { $0.family == one.family && $0.name == one.name }.count > 1
            }
            guard let one = twice.first else { return nil }
            let base = one.family == .ip ? "iptables" : "ip6tables"
            return Finding(
                .risk, "table \(one.name) of \(base) has rules in nftables and in the old interface at once",
                twice.map { table in
                    let count = table.chains.reduce(0) { $0 + $1.rules.count }
                    return Evidence(
                        .chain, "\(base) \(table.name): \(count) rules in \(table.chains.count) chains",
                        at: patient.place(position))
                },
                remedy: .run(
                    "update-alternatives --config \(base)",
                    "one of the two for all programs; then empty the other: \(base)-legacy -F, or \(base)-nft -F"))
        }
        return .of(findings)
    }
}

/// br_netfilter puts what is bridged before the rules for what is routed.
struct BridgeNetfilterCheck: Check {
    let name = "br-netfilter"
    let looksAt = "net.bridge.bridge-nf-call-iptables, with bridges that are not Docker's and a FORWARD policy of DROP"
    let why =
        "frames between two ports of a bridge meet iptables' FORWARD: virtual machines and other bridges go dead when Docker sets its policy to DROP"
    let threads: [Discussion] = [.moby(34_939)]

    func examine(_ patient: Patient) -> Examination {
        patient.each(patient.hosts, missing: "") { host in
            let space = patient.world[host]
            guard patient.world.sysctl(host, "net.bridge.bridge-nf-call-iptables") == 1,
                let forward = space.iptables.first(where: { $0.family == .ip && $0.name == "filter" })?
                    .chains.first(where: { $0.name == "FORWARD" }), forward.policy == "DROP"
            else { return [] }
            return space.links.filter { $0.isBridge && !Self.isDockers($0.link.name) }.compactMap { bridge in
                let name = bridge.link.name
                let ports = space.links.filter { $0.controller == name }
                guard ports.count > 1, !forward.rules.contains(where: { Self.accepts($0, name) }) else { return nil }
                return Finding(
                    .fault, "frames between the ports of \(name) are dropped by FORWARD's policy",
                    [
                        patient.sysctl(host, "net.bridge.bridge-nf-call-iptables"),
                        Evidence(
                            .chain, "iptables filter FORWARD: policy DROP", at: patient.place(host),
                            owner: RuleOwner.ofPolicy(space)),
                        Evidence(
                            .link, "\(name): \(ports.map(\.link.name).joined(separator: " "))", at: patient.place(host)),
                    ],
                    remedy: .run(
                        "iptables -I DOCKER-USER -i \(name) -o \(name) -j ACCEPT",
                        "or sysctl -w net.bridge.bridge-nf-call-iptables=0 where nothing relies on it"))
            }
        }
    }

    private static func isDockers(_ name: String) -> Bool {
        name == "docker0" || name == "docker_gwbridge" || name.hasPrefix("br-") || name.hasPrefix(Rtnl.linkPrefix)
    }

    private static func accepts(_ rule: IPTables.Rule, _ bridge: String) -> Bool {
        rule.target == .accept
            && rule.matches.contains { $0 == .incoming(bridge) || $0 == .outgoing(bridge) || Self.isBridged($0) }
    }

    private static func isBridged(_ match: IPTables.Match) -> Bool {
        if case .unknown(let text) = match { text.contains("physdev") } else { false }
    }
}

extension RuleOwner {
    /// Whose, from the text in which a rule is quoted: `iptables filter, chain ufw-reject: …`.
    static func inText(_ text: String) -> String? {
        for word in text.split(whereSeparator: { " ,:".contains($0) }) {
            if let owner = of(table: nil, chain: String(word)) { return owner }
        }
        return text.contains("firewalld") ? "firewalld" : nil
    }
}

/// Packets that end at one thing are one finding.
enum Grouping {
    static func byEnd(_ ways: [Ways.Way]) -> [(ways: [Ways.Way], evidence: Evidence)] {
        var groups: [(ways: [Ways.Way], evidence: Evidence)] = []
        for way in ways {
            let evidence = Evidence(endOf: way.badLeg)
            if let at = groups.firstIndex(where: { $0.evidence == evidence }) {
                groups[at].ways.append(way)
            } else {
                groups.append(([way], evidence))
            }
        }
        return groups
    }

    /// Each once, and not too many.
    static func list(_ ways: [Ways.Way]) -> String {
        var names: [String] = []
        for way in ways where !names.contains(way.what) { names.append(way.what) }
        let rest = names.count > 4 ? " and \(names.count - 4) more" : ""
        return names.prefix(4).joined(separator: ", ") + rest
    }
}
