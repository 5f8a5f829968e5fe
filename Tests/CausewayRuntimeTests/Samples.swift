import CausewayModel
import FoundationEssentials

extension Swarm.Task {
    /// A task of a service named `service`, from a `TaskSpec` as the Engine API has it.
    static func sample(
        _ id: String, _ json: String, service name: String = "runtime-web",
        addresses: [String] = ["10.0.1.5/24"]
    ) throws -> Swarm.Task {
        let template = try JSONDecoder().decode(Swarm.TaskSpec.self, from: Data(json.utf8))
        let meta = Swarm.Meta(createdAt: .zero, updatedAt: .zero)
        let spec = Swarm.ServiceSpec(name: name, labels: ["tier": "front"], taskTemplate: template)
        var task = Swarm.Task(
            id: id, meta: meta, service: Swarm.Service(id: "service1", meta: meta, spec: spec), slot: 2,
            nodeID: "node1")
        task.networks = [
            Swarm.NetworkAttachment(networkID: "net1", addresses: addresses.compactMap { CIDR($0) })
        ]
        return task
    }
}
