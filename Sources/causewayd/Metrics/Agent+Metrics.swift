import CausewayAgent
import CausewayKernel
import CausewayMetrics
import CausewayModel

extension Agent {
    /// What the agent has done.
    func count(into page: inout Exposition) {
        page.counter(
            "causeway_repairs_total", "Changes by others in the kernel that were put right, by what was changed.",
            repairs.byKind.map { .init(["kind": $0.key.rawValue], Double($0.value)) })
        page.counter(
            "causeway_repair_deferrals_total", "Repairs that were put off because somebody undid them again and again.",
            repairs.deferrals)
        let (revision, failures) = status()
        if let revision {
            page.gauge("causeway_assignment_revision", "The newest assignment's revision.", revision)
        }
        page.gauge("causeway_refused", "Namespaces in which the kernel refuses what is wanted.", failures.count)
        let peers = peerStatus()
        page.gauge(
            "causeway_peer_reachable", "Whether a node answers through the tunnel.",
            peers.map { .init(["peer": $0.hostname], $0.observation.isReachable ? 1 : 0) })
        page.gauge(
            "causeway_peer_mtu_bytes", "The largest packet that reaches a node through the tunnel.",
            peers.compactMap { peer in peer.observation.mtu.map { .init(["peer": peer.hostname], Double($0)) } })
    }
}
