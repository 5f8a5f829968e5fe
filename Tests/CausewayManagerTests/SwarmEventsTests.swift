import CausewayManager
import CausewayModel
import Testing

@testable import CausewayStore

/// What `docker events` says of a change, as moby's `daemon/events.go` does.
struct SwarmEventsTests {
    private static let moment = Timestamp(seconds: 7)
    private static let meta = Swarm.Meta(createdAt: moment, updatedAt: moment)

    private static func service(_ change: (inout Swarm.Service) -> Void = { _ in }) -> StoreObject {
        var template = Swarm.TaskSpec()
        template.containerSpec = Swarm.ContainerSpec(image: "app:1")
        var service = Swarm.Service(
            id: "svc1", meta: meta, spec: Swarm.ServiceSpec(name: "web", taskTemplate: template))
        service.spec.mode = .replicated(2)
        change(&service)
        return .service(service)
    }

    private static func node(_ change: (inout Swarm.Node) -> Void = { _ in }) -> StoreObject {
        var node = Swarm.Node(
            id: "node1", meta: meta, number: 1, spec: Swarm.Node.Spec(role: .worker),
            description: Swarm.Node.Description(
                hostname: "host1", architecture: "x86_64", nanoCPUs: 1, memoryBytes: 1, engineVersion: "20.10"),
            state: .ready, address: IPAddress("192.0.2.1")!, isLeader: false)
        change(&node)
        return .node(node)
    }

    private static func event(_ before: StoreObject?, _ after: StoreObject?) throws -> SwarmEvent {
        let id: Swarm.ID
        let kind: StoreKind
        switch try #require(after ?? before) {
        case .service(let service): (kind, id) = (.service, service.id)
        case .node(let node): (kind, id) = (.node, node.id)
        default: throw Unexpected()
        }
        let change = StoreChange(kind: kind, id: id, before: before, after: after)
        return try #require(SwarmEvents.event(change, at: moment))
    }

    private struct Unexpected: Error {}

    @Test func `creation and removal have the name alone`() throws {
        let made = try Self.event(nil, Self.service())
        #expect(made.kind == .service && made.action == .create && made.id == "svc1" && made.time == Self.moment)
        #expect(made.attributes == ["name": "web"])
        let gone = try Self.event(Self.node(), nil)
        #expect(gone.kind == .node && gone.action == .remove && gone.attributes == ["name": "host1"])
    }

    @Test func `a service's update says what changed, before and after`() throws {
        let update = try Self.event(
            Self.service(),
            Self.service {
                $0.spec.mode = .replicated(5)
                $0.spec.taskTemplate.containerSpec?.image = "app:2"
                $0.updateStatus = Swarm.UpdateStatus(state: "updating")
            })
        #expect(
            update.attributes == [
                "name": "web", "replicas.old": "2", "replicas.new": "5", "image.old": "app:1", "image.new": "app:2",
                "updatestate.new": "updating",
            ])
        let done = try Self.event(
            Self.service { $0.updateStatus = Swarm.UpdateStatus(state: "updating") },
            Self.service { $0.updateStatus = Swarm.UpdateStatus(state: "completed") })
        #expect(
            done.attributes == ["name": "web", "updatestate.old": "updating", "updatestate.new": "completed"])
        let cleared = try Self.event(
            Self.service { $0.updateStatus = Swarm.UpdateStatus(state: "completed") }, Self.service())
        #expect(cleared.attributes == ["name": "web"])
    }

    @Test func `a node's update says state, availability and role, under the node's own name`() throws {
        let update = try Self.event(
            Self.node(),
            Self.node {
                $0.state = .down
                $0.spec.availability = .drain
                $0.spec.role = .manager
                $0.spec.name = "front"
            })
        #expect(
            update.attributes == [
                "name": "front", "state.old": "ready", "state.new": "down", "availability.old": "active",
                "availability.new": "drain", "role.old": "worker", "role.new": "manager",
            ])
    }
}
