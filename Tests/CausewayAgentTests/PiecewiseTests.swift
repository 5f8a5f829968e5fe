import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayAgent

struct `Piecewise compilation` {
    private static let seed = ProcessInfo.processInfo.environment["CAUSEWAY_SEED"].flatMap { UInt64($0) } ?? 4711

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `one assignment after the other gives what each gives alone`(number: UInt64) {
        var shop = RandomShop(seed: Self.seed &+ number)
        var compiler = PiecewiseCompiler()
        for _ in 0..<25 {
            let assignment = shop.next()
            var desired = compiler.compile(assignment, facts: NodeFacts())
            compiler.addNames(to: &desired)
            let alone = AssignmentCompiler().compile(assignment, facts: NodeFacts())

            #expect(desired.host.normalised == alone.host.normalised, "seed \(Self.seed &+ number)")
            #expect(desired.namespaces == alone.namespaces, "seed \(Self.seed &+ number)")
            #expect(desired.namespaceOfTask == alone.namespaceOfTask, "seed \(Self.seed &+ number)")
            #expect(desired.publishedPorts == alone.publishedPorts, "seed \(Self.seed &+ number)")
            #expect(desired.names == alone.names, "seed \(Self.seed &+ number)")
        }
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `the difference of two assignments, taken, gives the second`(number: UInt64) async throws {
        var shop = RandomShop(seed: Self.seed &+ number)
        var compiler = PiecewiseCompiler()
        let kernel = FakeKernel()
        var before = KernelState()
        for _ in 0..<12 {
            let desired = compiler.compile(shop.next(), facts: NodeFacts()).host
            for step in Plan(from: before, to: desired).steps { try await kernel.take(step) }

            #expect(await kernel.state.normalised == desired.normalised, "seed \(Self.seed &+ number)")
            before = desired
        }
    }

    @Test func `a change of one endpoint names that endpoint's elements and no others`() throws {
        var compiler = PiecewiseCompiler()
        let before = compiler.compile(Shop.assignment(running: 3), facts: NodeFacts())
        var assignment = Shop.assignment(running: 3)
        assignment.services[0].backends[2].isActive = false
        let plan = Plan(from: before.host, to: compiler.compile(assignment, facts: NodeFacts()).host)

        guard case .elementsChange(_, _, let delete, let add)? = plan.steps.first, plan.steps.count == 1 else {
            Issue.record("more than a change of elements:\n\(plan)")
            return
        }
        #expect(Set(delete.map(\.set)).isSubset(of: ["published4_64", "published6_64", "backends4_64"]))
        #expect(delete.map(\.count).allSatisfy { $0 < 64 } && delete.map(\.count) == add.map(\.count))
    }

    @Test func `of two services that want one port the first has it, and the second once it is free`() {
        let web = Shop.service("a", ports: [Swarm.PortConfig(targetPort: 80, publishedPort: 8080)])
        let other = Shop.service("b", ports: [Swarm.PortConfig(targetPort: 81, publishedPort: 8080)])
        let tasks = [
            Shop.task(web, slot: 1, ["ingress": ["10.0.0.5/24"]]),
            Shop.task(other, slot: 1, ["ingress": ["10.0.0.6/24"]]),
        ]
        let networks = [Shop.network("ingress", ["10.0.0.0/24"], ingress: true)]
        func assignment(_ services: [ServiceEndpoint]) -> NodeAssignment { Shop.make(networks, tasks, services) }
        func targets(_ desired: DesiredNode) -> Set<[Nft.Value]> {
            let map = desired.host.tables[0].sets.first { $0.name == "published4_64" }
            return Set(map?.elements.compactMap(\.data) ?? [])
        }
        let (first, second) = (Shop.endpoint(web, [tasks[0]]), Shop.endpoint(other, [tasks[1]]))
        var compiler = PiecewiseCompiler()

        let both = targets(compiler.compile(assignment([first, second]), facts: NodeFacts()))
        let alone = targets(compiler.compile(assignment([second]), facts: NodeFacts()))

        #expect(both == [[.address(IPAddress("10.0.0.5")!), .number(80)]])
        #expect(alone == [[.address(IPAddress("10.0.0.6")!), .number(81)]])
    }
}
