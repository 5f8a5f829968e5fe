import CausewayModel
import Testing

@testable import CausewayAgent

/// What a bare name means to a task on two networks while a service moves from one to the other.
@Suite struct MoveTests {
    /// `left` comes first by name, so nothing but its standing makes `target` the answer.
    private static let networks = [
        Shop.network("left", ["10.0.1.0/24"]), Shop.network("target", ["10.0.2.0/24"]),
    ]

    /// `web` with its old task on `left` and its new one on `target`; `ask` is on both.
    private static func assignment(
        old: Swarm.Task.State = .running, new: Swarm.Task.State, attached: [String] = ["target"]
    ) -> NodeAssignment {
        let (web, ask) = (Shop.service("web"), Shop.service("ask"))
        let asker = Shop.task(ask, slot: 1, ["left": ["10.0.1.9/24"], "target": ["10.0.2.9/24"]])
        let tasks = [
            Shop.task(web, slot: 1, ["left": ["10.0.1.5/24"]], state: old),
            Shop.task(web, slot: 2, ["target": ["10.0.2.5/24"]], state: new),
        ]
        var endpoint = Shop.endpoint(web, tasks, virtual: ["left": "10.0.1.2/24", "target": "10.0.2.2/24"])
        for network in attached { endpoint.aliases["net-\(network)"] = [] }
        return Shop.make(Self.networks, [asker] + tasks, [endpoint, Shop.endpoint(ask, [asker])])
    }

    private static func answer(_ name: String, _ desired: DesiredNode) -> [String]? {
        desired.names["ask1abcdefghijklmnop"]?.names[name]?.addresses.map(\.description)
    }

    @Test func `a name leads to the network that is left until somebody serves on the other`() {
        func web(_ assignment: NodeAssignment) -> [String]? {
            Self.answer("web", AssignmentCompiler().compile(assignment, facts: NodeFacts()))
        }
        #expect(web(Self.assignment(new: .starting)) == ["10.0.1.2"])
        #expect(web(Self.assignment(new: .running)) == ["10.0.2.2"])
        #expect(web(Self.assignment(old: .shutdown, new: .running)) == ["10.0.2.2"])
        #expect(web(Self.assignment(new: .running, attached: ["left", "target"])) == ["10.0.1.2"])
    }

    @Test func `it turns with the task that begins to serve, and names with their network stay`() {
        var compiler = PiecewiseCompiler()
        var before = compiler.compile(Self.assignment(new: .starting), facts: NodeFacts())
        compiler.addNames(to: &before)
        var after = compiler.compile(Self.assignment(new: .running), facts: NodeFacts())
        compiler.addNames(to: &after)

        #expect(
            ["web", "web.left", "web.target"].map { Self.answer($0, before) } == [
                ["10.0.1.2"], ["10.0.1.2"], ["10.0.2.2"],
            ])
        #expect(
            ["web", "web.left", "web.target"].map { Self.answer($0, after) } == [
                ["10.0.2.2"], ["10.0.1.2"], ["10.0.2.2"],
            ])
    }

    @Test func `the last task on the network takes connections until names have turned`() throws {
        let before = Self.assignment(new: .starting)
        func active(_ assignment: NodeAssignment?) -> [Bool]? {
            assignment?.services.first { $0.name == "web" }?.backends.map(\.isActive)
        }
        let turning = Self.assignment(old: .shutdown, new: .running).withLastTasks(of: before)

        #expect(active(turning) == [true, true])
        #expect(turning?.services.first { $0.name == "web" }?.virtualIPs == before.services.first?.virtualIPs)
        // Nothing is to be waited for where the task still serves, did not before, or the service stays.
        #expect(Self.assignment(new: .running).withLastTasks(of: before) == nil)
        #expect(
            Self.assignment(old: .shutdown, new: .running).withLastTasks(
                of: Self.assignment(old: .shutdown, new: .running)) == nil)
        let staying = Self.assignment(old: .shutdown, new: .running, attached: ["left", "target"])
        #expect(staying.withLastTasks(of: before) == nil)
    }
}
