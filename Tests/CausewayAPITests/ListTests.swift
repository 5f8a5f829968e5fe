import CausewayModel
import Foundation
import Testing

/// Lists with every filter that Docker documents, over HTTP, as moby 20.10 answers.
@Suite(.serialized) struct ListTests {
    @Test(arguments: [
        (#"{"name":["web"]}"#, ["web", "web2"]), (#"{"name":["eb"]}"#, []), (#"{"id":["svc1"]}"#, ["web"]),
        (#"{"label":["tier"]}"#, ["web", "job"]), (#"{"label":["tier=front"]}"#, ["web"]),
        (#"{"label":["tier="]}"#, ["web", "job"]), (#"{"label":["tier","other"]}"#, []),
        (#"{"mode":["global"]}"#, ["web2"]), (#"{"mode":["replicated-job"]}"#, ["job"]),
        (#"{"mode":["replicated","global"]}"#, ["web", "web2"]), (#"{"mode":["repl"]}"#, []),
        (#"{"runtime":["container"]}"#, ["web", "web2", "job"]), (#"{"runtime":["plugin"]}"#, []),
        (#"{"name":["web","job"],"label":["tier"]}"#, ["web", "job"]),
    ]) func `services are chosen as moby does`(_ filters: String, _ names: [String]) async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            await house.addShop()
            let found = try await house.list("/services", filters).compactMap { service in
                (service["Spec"] as? [String: Any])?["Name"] as? String
            }
            #expect(Set(found) == Set(names))
        }
    }

    @Test(arguments: [
        (#"{"name":["web.1"]}"#, ["t1"]), (#"{"name":["web"]}"#, ["t1", "t2"]), (#"{"id":["t"]}"#, ["t1", "t2", "t3"]),
        (#"{"service":["web"]}"#, ["t1", "t2"]), (#"{"service":["svc3"]}"#, ["t3"]),
        (#"{"service":["web","job"]}"#, ["t1", "t2", "t3"]), (#"{"node":["self"]}"#, ["t1", "t2", "t3"]),
        (#"{"node":["host1"]}"#, ["t1", "t2", "t3"]), (#"{"desired-state":["running"]}"#, ["t1"]),
        (#"{"desired-state":["SHUTDOWN"]}"#, ["t2"]), (#"{"desired-state":["shutdown","complete"]}"#, ["t2", "t3"]),
        (#"{"label":["tier=front"]}"#, ["t1", "t2"]), (#"{"_up-to-date":["true"]}"#, ["t1", "t3"]),
        // Whatever its value, as in Docker.
        (#"{"_up-to-date":["false"]}"#, ["t1", "t3"]), (#"{"runtime":["container"]}"#, ["t1", "t2", "t3"]),
    ]) func `tasks are chosen as moby does`(_ filters: String, _ ids: [String]) async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            await house.addShop()
            let found = try await house.list("/tasks", filters).compactMap { $0["ID"] as? String }
            #expect(found == ids)
        }
    }

    @Test(arguments: [
        (#"{"name":["host"]}"#, 1), (#"{"name":["ost1"]}"#, 0), (#"{"id":["node1"]}"#, 1),
        (#"{"role":["MANAGER"]}"#, 1),
        (#"{"role":["worker"]}"#, 0), (#"{"membership":["accepted"]}"#, 1), (#"{"membership":["pending"]}"#, 0),
        (#"{"label":["engine=yes"]}"#, 1), (#"{"label":["zone"]}"#, 0), (#"{"node.label":["zone="]}"#, 1),
        (#"{"node.label":["zone=b"]}"#, 0),
    ]) func `nodes are chosen as moby does`(_ filters: String, _ count: Int) async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            await house.addShop()
            let found = try await house.list("/nodes", filters)
            #expect(found.count == count)
        }
    }

    @Test(arguments: [
        (#"{"name":["^front$"]}"#, ["front"]), (#"{"name":["ront"]}"#, ["front", "frontend"]),
        (#"{"id":["^n1"]}"#, ["front"]),
        (#"{"driver":["overlay"]}"#, ["front", "frontend"]), (#"{"driver":["bridge"]}"#, []),
        (#"{"scope":["swarm"]}"#, ["front", "frontend"]), (#"{"scope":["local"]}"#, []),
        (#"{"type":["custom"]}"#, ["front", "frontend"]), (#"{"type":["builtin"]}"#, []),
        (#"{"label":["tier=front"]}"#, ["front"]), (#"{"label":["tier="]}"#, []),
        (#"{"dangling":["true"]}"#, ["frontend"]), (#"{"dangling":["0"]}"#, ["front"]),
    ]) func `networks are chosen as moby does`(_ filters: String, _ names: [String]) async throws {
        let engine: FakeEngine.Script = { head, socket in
            // The engine has none that would pass; it is asked with the same filters.
            try head.contains("/networks?filters=") ? socket.answer("[]") : OwnRoutesTests.engine(head, socket)
        }
        try await House.with(script: engine) { house in
            await house.addShop()
            let found = try await house.list("/networks", filters).compactMap { $0["Name"] as? String }
            #expect(found == names)
        }
    }

    @Test(arguments: [
        ("/services", #"{"node":["x"]}"#, "Invalid filter 'node'"),
        ("/tasks", #"{"role":["x"]}"#, "Invalid filter 'role'"),
        ("/nodes", #"{"service":["x"]}"#, "Invalid filter 'service'"),
        ("/networks", #"{"service":["x"]}"#, "Invalid filter 'service'"),
        ("/nodes", #"{"role":["boss"]}"#, "Invalid role filter: 'boss'"),
        ("/nodes", #"{"membership":["guest"]}"#, "Invalid membership filter: 'guest'"),
        ("/tasks", #"{"desired-state":["gone"]}"#, "Invalid desired-state filter: 'gone'"),
        ("/networks", #"{"type":["odd"]}"#, "invalid filter: 'type'='odd'"),
    ]) func `what moby refuses is refused in its words`(_ path: String, _ filters: String, _ says: String) async throws
    {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let reply = try await house.call("GET", "\(path)?filters=\(House.escaped(filters))")
            #expect(reply.status == 400)
            #expect(reply.message == says)
        }
    }

    @Test func `tasks of a service or node that is not there are an error, not none`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            for kind in ["service", "node"] {
                let reply = try await house.call("GET", "/tasks?filters=\(House.escaped(#"{"\#(kind)":["nope"]}"#))")
                #expect(reply.status == 404 && reply.message == "\(kind) nope not found")
            }
        }
    }
}

extension House {
    static func escaped(_ text: String) -> String {
        text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    fileprivate func list(_ path: String, _ filters: String) async throws -> [[String: Any]] {
        let reply = try await call("GET", "\(path)?filters=\(Self.escaped(filters))")
        #expect(reply.status == 200, "\(reply.message)")
        return reply.list
    }

    /// Three services with a task or two, two networks, and labels on the node.
    fileprivate func addShop() async {
        func service(_ id: String, _ name: String, _ mode: Swarm.ServiceMode, _ labels: [String: String])
            -> Swarm.Service
        {
            var spec = Swarm.ServiceSpec(
                name: name, taskTemplate: Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: "i")))
            spec.mode = mode
            spec.labels = labels
            return Swarm.Service(id: id, meta: FakeControl.meta(5), spec: spec)
        }
        let web = service("svc1", "web", .replicated(2), ["tier": "front"])
        let job = service("svc3", "job", .replicatedJob(maxConcurrent: 1, totalCompletions: 1), ["tier": "batch"])
        for one in [web, service("svc2", "web2", .global, [:]), job] { await control.add(one) }
        func task(_ id: String, _ service: Swarm.Service, _ slot: Int, _ desired: Swarm.Task.State) -> Swarm.Task {
            Swarm.Task(
                id: id, meta: FakeControl.meta(6), service: service, slot: slot, nodeID: FakeControl.nodeID,
                desiredState: desired)
        }
        let net = Swarm.NetworkAttachment(networkID: "n1n1", addresses: [CIDR("10.0.1.5/24")!])
        var first = task("t1", web, 1, .running)
        first.status.state = .running
        first.networks = [net]
        var old = task("t2", web, 2, .shutdown)
        old.specVersion = Swarm.Version(1)
        old.spec.containerSpec?.image = "older"
        for one in [first, old, task("t3", job, 1, .running)] { await control.add(one) }
        for (id, name, labels) in [("n1n1", "front", ["tier": "front"]), ("n2n2", "frontend", [:])] {
            var spec = Swarm.NetworkSpec(name: name)
            spec.labels = labels
            await control.add(Swarm.Network(id: id, meta: FakeControl.meta(4), spec: spec, subnets: []))
        }
        await control.label(engine: ["engine": "yes"], node: ["zone": "a"])
    }
}
