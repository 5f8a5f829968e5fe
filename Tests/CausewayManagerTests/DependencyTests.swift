import CausewayManager
import CausewayModel
import CausewayStore
import Foundation
import Testing

private let argument = "rpc error: code = InvalidArgument desc = "

private func payload(_ count: Int) -> Swarm.Payload { Swarm.Payload(Data(repeating: 7, count: count)) }

extension Swarm.ServiceSpec {
    fileprivate mutating func use(_ secret: Swarm.Dependency, as target: String? = nil) {
        let file = Swarm.FileTarget(name: target ?? secret.name)
        let used = taskTemplate.containerSpec?.secrets ?? []
        taskTemplate.containerSpec?.secrets = used + [.init(secret.id, name: secret.name, file: file)]
    }
}

@Suite struct `Secrets and configs` {
    @Test(arguments: Swarm.Dependency.Kind.allCases)
    func `are refused in swarmkit's words`(kind: Swarm.Dependency.Kind) async throws {
        let world = try await World.started()
        let limit = kind == .secret ? 512_000 : 1_024_000
        _ = try await world.manager.createDependency(kind, .init(name: "taken", data: payload(1)))
        let name =
            argument
            + "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be "
            + "[a-zA-Z0-9]"
        let size = argument + "\(kind) data must be larger than 0 and less than \(limit) bytes"
        var other = Swarm.DependencySpec(name: "t", data: payload(1))
        other.templating = .init(name: "jinja")
        let cases: [(Swarm.DependencySpec, SwarmError.Reason, String)] = [
            (.init(name: "", data: payload(1)), .invalid, argument + "name must be provided"),
            (.init(name: "-a", data: payload(1)), .invalid, name),
            (.init(name: "a.", data: payload(1)), .invalid, name),
            (.init(name: "a b", data: payload(1)), .invalid, name),
            (.init(name: String(repeating: "a", count: 65), data: payload(1)), .invalid, name),
            (.init(name: "a", data: nil), .invalid, size), (.init(name: "a", data: payload(0)), .invalid, size),
            (.init(name: "a", data: payload(limit)), .invalid, size),
            (other, .invalid, argument + "unrecognized template type 'jinja': the only one is golang"),
            (
                .init(name: "taken", data: payload(2)), .conflict,
                "rpc error: code = AlreadyExists desc = \(kind) taken already exists"
            ),
        ]
        for (spec, reason, message) in cases {
            await #expect(throws: SwarmError(reason, message)) {
                try await world.manager.createDependency(kind, spec)
            }
        }
        #expect(world.view.dependencies.count == 1)
        for name in ["a", "A-_.9", String(repeating: "a", count: 64)] {
            _ = try await world.manager.createDependency(kind, .init(name: name, data: payload(limit - 1)))
        }
    }

    @Test func `one name may be a secret's and a config's`() async throws {
        let world = try await World.started()

        _ = try await world.manager.createDependency(.secret, .init(name: "one", data: payload(1)))
        _ = try await world.manager.createDependency(.config, .init(name: "one", data: payload(1)))

        #expect(try await world.manager.dependencies(.secret).map(\.name) == ["one"])
        #expect(try await world.manager.dependencies(.config).map(\.name) == ["one"])
    }

    @Test func `only labels may change, and only from the newest version`() async throws {
        let world = try await World.started()
        let made = try await world.manager.createDependency(.secret, .init(name: "s", data: payload(3)))
        let version = made.meta.version
        let only = SwarmError(.invalid, argument + "only updates to Labels are allowed")

        await #expect(throws: only) {
            try await world.manager.updateDependency(made.id, .init(name: "t", data: nil), version: version)
        }
        await #expect(throws: only) {
            try await world.manager.updateDependency(made.id, .init(name: "s", data: payload(4)), version: version)
        }
        await #expect(throws: SwarmError.outOfSequence) {
            try await world.manager.updateDependency(made.id, .init(name: "s", data: nil), version: .init(99))
        }
        try await world.manager.updateDependency(
            made.id, .init(name: "s", labels: ["k": "v"], data: nil), version: version)

        let now = try #require(world.view.dependencies[made.id])
        #expect(now.spec.labels == ["k": "v"] && now.spec.data == payload(3))
        #expect(now.meta.version > version && now.meta.createdAt == made.meta.createdAt)
    }

    @Test func `what a service uses stays, and it is said which`() async throws {
        let world = try await World.started()
        let secret = try await world.manager.createDependency(.secret, .init(name: "s", data: payload(1)))
        var web = spec("web")
        web.use(secret)
        let service = try await world.manager.createService(web)
        await #expect(
            throws: SwarmError(.invalid, argument + "secret 's' is in use by the following service: web")
        ) { try await world.manager.removeDependency(secret.id) }
        web.name = "api"
        let second = try await world.manager.createService(web)
        await #expect(
            throws: SwarmError(.invalid, argument + "secret 's' is in use by the following services: web, api")
        ) { try await world.manager.removeDependency(secret.id) }

        try await world.manager.removeService(service.id)
        try await world.manager.removeService(second.id)
        try await world.manager.removeDependency(secret.id)

        #expect(world.view.dependencies.isEmpty)
    }

    @Test func `services cannot use what is not there, nor one file twice`() async throws {
        let world = try await World.started()
        let a = try await world.manager.createDependency(.secret, .init(name: "a", data: payload(1)))
        let b = try await world.manager.createDependency(.secret, .init(name: "b", data: payload(1)))
        let config = try await world.manager.createDependency(.config, .init(name: "c", data: payload(1)))
        func refused(_ message: String, _ edit: (inout Swarm.ServiceSpec) -> Void) async {
            var wanted = spec("web")
            edit(&wanted)
            let given = wanted
            await #expect(throws: SwarmError(.invalid, argument + message)) {
                try await world.manager.createService(given)
            }
        }
        func reference(_ id: String, _ name: String, _ target: String?) -> Swarm.SecretReference {
            var reference = Swarm.SecretReference(id, name: name, file: .init(name: target ?? ""))
            if target == nil { reference.file = nil }
            return reference
        }
        await refused("secret not found: x") { $0.taskTemplate.containerSpec?.secrets = [reference("i", "x", "x")] }
        await refused("secrets not found: x, c") {
            $0.taskTemplate.containerSpec?.secrets = [reference("i", "x", "x"), reference(config.id, "c", "y")]
        }
        // As swarmkit: the name must be that of the identifier.
        await refused("secret not found: b") { $0.taskTemplate.containerSpec?.secrets = [reference(a.id, "b", "x")] }
        await refused("malformed secret reference") {
            $0.taskTemplate.containerSpec?.secrets = [reference("", "a", "x")]
        }
        await refused("malformed secret reference, no target provided") {
            $0.taskTemplate.containerSpec?.secrets = [reference(a.id, "a", nil)]
        }
        await refused("malformed file secret reference, invalid target file name provided") {
            $0.taskTemplate.containerSpec?.secrets = [reference(a.id, "a", "")]
        }
        await refused("secret references 'a' and 'b' have a conflicting target: 'x'") {
            $0.use(a, as: "x")
            $0.use(b, as: "x")
        }
        await refused("uid 'root' of secret 'a' must be a number") {
            $0.taskTemplate.containerSpec?.secrets = [.init(a.id, name: "a", file: .init(name: "a", uid: "root"))]
        }
        await refused("config not found: n") {
            $0.taskTemplate.containerSpec?.configs = [.init("i", name: "n", file: .init(name: "n"))]
        }
    }

    @Test func `a node is given what its tasks use, until they are to end`() async throws {
        let world = try await World.started()
        let used = try await world.manager.createDependency(.secret, .init(name: "used", data: payload(1)))
        let config = try await world.manager.createDependency(.config, .init(name: "c", data: payload(2)))
        _ = try await world.manager.createDependency(.secret, .init(name: "other", data: payload(3)))
        try await world.settle()
        #expect(world.assignment?.dependencies == nil)

        var web = spec("web", replicas: 2)
        web.use(used)
        web.taskTemplate.containerSpec?.configs = [.init(config.id, name: "c", file: .init(name: "c"))]
        let service = try await world.manager.createService(web)
        try await world.settle()
        #expect(
            world.assignment?.dependencies
                == [used, config].map(\.assigned).sorted { $0.id < $1.id })

        try await world.update(service) { $0.taskTemplate.containerSpec?.configs = [] }
        try await world.run(60)
        #expect(world.running(service).count == 2)
        #expect(world.assignment?.dependencies?.map(\.id) == [used.id])

        try await world.manager.removeService(service.id)
        try await world.run(60)
        #expect(world.assignment?.dependencies == nil)
    }

    @Test func `another secret replaces the tasks, another order of nothing does not`() async throws {
        let world = try await World.started()
        let old = try await world.manager.createDependency(.secret, .init(name: "old", data: payload(1)))
        let new = try await world.manager.createDependency(.secret, .init(name: "new", data: payload(1)))
        var web = spec("web")
        web.use(old, as: "key")
        let service = try await world.manager.createService(web)
        try await world.run(60)
        let first = world.running(service).map(\.id)

        try await world.update(service) { $0.taskTemplate.containerSpec?.configs = [] }
        try await world.run(60)
        #expect(world.running(service).map(\.id) == first)

        try await world.update(service) {
            $0.taskTemplate.containerSpec?.secrets = [.init(new.id, name: "new", file: .init(name: "key"))]
        }
        try await world.run(60)
        #expect(world.running(service).count == 1 && world.running(service).map(\.id) != first)
        try await world.manager.removeDependency(old.id)
    }

    @Test func `a change of the assignment carries them, and takes them away`() throws {
        func assignment(_ revision: UInt64, _ ids: [String]) -> NodeAssignment {
            NodeAssignment(
                revision: revision, nodeID: "n", nodeNumber: 1, hostname: "n", uniqueLocalPrefix: CIDR("fd00::/48")!,
                dependencies: ids.isEmpty ? nil : ids.map { .init(id: $0, kind: .secret, payload: .init($0)) })
        }
        for (old, new) in [([], ["a"]), (["a"], ["a", "b"]), (["a", "b"], ["b"]), (["b"], [])] {
            let (before, after) = (assignment(1, old), assignment(2, new))
            let change = try #require(AssignmentChange(from: before, to: after))
            let sent = try JSONDecoder().decode(AssignmentChange.self, from: JSONEncoder().encode(change))
            #expect(sent.apply(to: before) == after)
        }
    }

    @Test func `have events of their own, without their content`() async throws {
        let world = try await World.started()
        let meta = Swarm.Meta(createdAt: world.script.now, updatedAt: world.script.now)
        let config = Swarm.Dependency(id: "c1", meta: meta, kind: .config, spec: .init(name: "c", data: payload(1)))
        let watch = world.store.watch()
        try await world.store.write(at: world.script.now) { (tx) throws(SwarmError) in try tx.create(config) }

        for await case .committed(_, let changes) in watch {
            let events = changes.compactMap { SwarmEvents.event($0, at: world.script.now) }
            #expect(events.map(\.kind) == [.config] && events.map(\.action) == [.create])
            #expect(events.first?.attributes == ["name": "c"])
            break
        }
    }

    @Test func `are never printed, whatever they are in`() {
        let dependency = Swarm.Dependency(
            id: "i", meta: .init(createdAt: .zero, updatedAt: .zero), kind: .secret,
            spec: .init(name: "s", data: .init("horse-battery")))
        var dumped = ""
        dump(dependency, to: &dumped)

        for text in ["\(dependency)", String(reflecting: dependency), dumped, "\(dependency.assigned)"] {
            #expect(text.contains("13 bytes") || !text.contains("horse"))
            #expect(!text.contains("horse") && !text.contains("aG9yc2"), "\(text)")
        }
    }
}
