import CausewayModel
import CausewayStore

/// Says no to what a classic ingress network cannot do for a service.
struct ClassicValidator: Sendable {
    let view: StoreSnapshot

    func check(_ spec: Swarm.ServiceSpec) throws(SwarmError) {
        guard view.ingress?.spec.isClassic == true else { return }
        let ports = spec.endpointSpec?.ports ?? []
        if !ports.isEmpty, let label = spec.labels.keys.sorted().first(where: PublishLabel.isOne) {
            throw Refusal.unsupported(
                "label '\(label)' with an ingress network whose data path is classic",
                "leave it away, or make the ingress network one of data path direct")
        }
        let open = spec.attachments.compactMap { view.networks[$0.target] }
            .first { !$0.spec.isClassic && !$0.spec.isInternal }
        if let open, let port = ports.first(where: { $0.publishMode == .host }) {
            throw Refusal.unsupported(
                "host-mode port \(port.targetPort) of a service on network \(open.spec.name) (data path direct) with an "
                    + "ingress network whose data path is classic",
                "publish it in ingress mode, or use networks of one data path")
        }
    }
}
