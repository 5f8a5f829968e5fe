import CausewayKernel
import CausewayModel

/// What the daemon would change now.
struct KernelDiffersCheck: Check {
    let name = "kernel-differs"
    let looksAt = "what `causeway plan` says: the daemon's desired state against the kernel"
    let why = "silent wrong state is the worst of all: somebody changed what is Causeway's, and it is not put back"
    let threads: [Discussion] = [.moby(47_728), .moby(52_661)]

    func examine(_ patient: Patient) -> Examination {
        guard let daemon = patient.daemon, let host = patient.hosts.first else {
            return patient.hosts.contains { patient.isCauseway($0) }
                ? .notSeen("no causewayd was asked: only it knows what should be") : .irrelevant("no Causeway node")
        }
        var findings = daemon.pending.filter { !$0.steps.isEmpty }.map { pending in
            let more =
                pending.steps.count > 5
                ? [Evidence(.plan, "and \(pending.steps.count - 5) more steps", at: patient.place(host))] : []
            return Finding(
                .fault, "\(pending.namespace) is not as it should be: \(pending.steps.count) steps are due",
                pending.steps.prefix(5).map { Evidence(.plan, $0, at: patient.place(host), owner: "Causeway") } + more,
                remedy: .run(
                    "causeway plan",
                    "if it stays so, the daemon's log says what the kernel refuses: journalctl -u causewayd"))
        }
        if let revision = daemon.revision, let applied = daemon.applied, applied < revision {
            findings.append(
                Finding(
                    .risk, "the kernel has revision \(applied) of what the manager wants, not \(revision)",
                    [
                        Evidence(
                            .plan, "revision \(revision), applied \(applied)", at: patient.place(host),
                            owner: "Causeway")
                    ],
                    remedy: .run("journalctl -u causewayd -n 50", "it may be a moment behind; ask again")))
        }
        return .of(findings)
    }
}

/// What the kernel refused.
struct RefusedCheck: Check {
    let name = "kernel-refuses"
    let looksAt = "the failures that the daemon's status lists"
    let why = "a step that the kernel refuses is tried again and again, and what it is for does not work"
    let threads: [Discussion] = [.moby(24_005)]

    func examine(_ patient: Patient) -> Examination {
        guard let daemon = patient.daemon, let host = patient.hosts.first else {
            return patient.hosts.contains { patient.isCauseway($0) }
                ? .notSeen("no causewayd was asked") : .irrelevant("no Causeway node")
        }
        return .of(
            daemon.failures.map { text in
                Finding(
                    .fault, "the kernel refuses what the daemon wants: \(text)",
                    [Evidence(.plan, text, at: patient.place(host), owner: "Causeway")],
                    remedy: .run("causeway preflight", "tries what the kernel lacks"))
            })
    }
}

/// Nodes that cannot reach each other.
struct PeerCheck: Check {
    let name = "peer-unreachable"
    let looksAt = "what the daemon's probes through the tunnel say of each other node"
    let why = "tasks there get no new connections from here, and cannot be called by theirs"
    let threads: [Discussion] = [.moby(36_311), .moby(38_203)]

    func examine(_ patient: Patient) -> Examination {
        guard let daemon = patient.daemon, let host = patient.hosts.first else {
            return patient.tunnels.isEmpty
                ? .irrelevant("no tunnel here") : .notSeen("no causewayd was asked: it probes its peers")
        }
        guard !daemon.peers.isEmpty else { return .irrelevant("this node has no peers") }
        return .of(
            daemon.peers.filter { !$0.isReachable }.map { peer in
                Finding(
                    .fault,
                    "\(peer.hostname) does not answer through the tunnel\(peer.note.isEmpty ? "" : ": \(peer.note)")",
                    [Evidence(.link, "cw-vxlan to \(peer.hostname)", at: patient.place(host), owner: "Causeway")],
                    remedy: .advice(
                        "is it up? Then run causeway doctor there: a firewall in one direction shows at one end only"))
            })
    }
}

/// Everything is there but who keeps it.
struct DaemonSilentCheck: Check {
    let name = "daemon-silent"
    let looksAt = "whether causewayd answers where its table and links are"
    let why = "what is there goes on working, and nothing is repaired, replaced or steered away from a dead node"
    let threads: [Discussion] = [.moby(47_728)]

    func examine(_ patient: Patient) -> Examination {
        guard let host = patient.hosts.first, patient.isCauseway(host) else { return .irrelevant("no Causeway node") }
        guard patient.wasAsked else { return .notSeen("a snapshot does not tell whether the daemon runs") }
        guard patient.daemon == nil else { return .healthy }
        return .of([
            Finding(
                .risk, "causewayd does not answer on this node",
                [
                    Evidence(
                        .namespace, "table inet \(KernelState.tableName) without its daemon", at: patient.place(host),
                        owner: "Causeway")
                ],
                remedy: .run("systemctl start causewayd", "its log: journalctl -u causewayd"))
        ])
    }
}
