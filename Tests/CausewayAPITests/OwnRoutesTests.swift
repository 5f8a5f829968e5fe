import CausewayModel
import Foundation
import Synchronization
import Testing

/// What is answered here, as the clients need it.
@Suite(.serialized) struct OwnRoutesTests {
    /// Docker Engine, as far as our own routes ask it.
    static let engine: FakeEngine.Script = { head, socket in
        let target = head.split(separator: " ")[1]
        switch target.split(separator: "?")[0] {
        case "/v1.41/networks": try socket.answer(#"[{"Name":"bridge","Id":"b1","Driver":"bridge"}]"#)
        case "/v1.41/networks/prune": try socket.answer(#"{"NetworksDeleted":["old"]}"#)
        case "/v1.41/info": try socket.answer(#"{"ID":"x","NCPU":2,"Swarm":{"NodeID":""}}"#)
        case "/v1.41/version":
            try socket.answer(
                #"{"Version":"20.10","ApiVersion":"1.41","Components":[{"Name":"Engine","Details":{"ApiVersion":"1.41"}}]}"#
            )
        case "/v1.41/images/slow:1/json":
            try socket.answer(
                #"{"RepoDigests":["other@sha256:bad","slow@sha256:abc"],"Architecture":"amd64","Os":"linux"}"#)
        case "/v1.41/events":
            try socket.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            try socket.send("3\r\n{}\n\r\n")
            _ = try socket.receiveToEnd()
        case "/v1.41/containers/c1/logs":
            try socket.send("HTTP/1.1 200 OK\r\n\r\n")
            // Times are asked for whatever the client wants; details are empty.
            let time = "2026-01-02T03:04:05.000000006Z " + (head.contains("details=1") ? " " : "")
            try socket.send([1, 0, 0, 0, 0, 0, 0, UInt8(time.utf8.count + 3)] + Array((time + "hi\n").utf8))
            // The frame comes in two pieces.
            try socket.send([2, 0, 0, 0, 0, 0])
            Thread.sleep(forTimeInterval: 0.05)
            try socket.send([0, UInt8(time.utf8.count + 4)] + Array((time + "err\n").utf8))
            socket.hangUp()
        default: try socket.answer(#"{"message":"network not found"}"#, status: "404 Not Found")
        }
    }

    @Test(arguments: ["GET", "HEAD"]) func `ping says what the CLI negotiates with`(_ method: String) async throws {
        try await House.with(script: Self.engine) { house in
            let reply = try await house.call(method, "/_ping")

            #expect(reply.status == 200)
            #expect(reply.header("Api-Version") == "1.50")
            #expect(reply.header("Ostype") == "linux")
            #expect(reply.header("Docker-Experimental") == "false")
            #expect(reply.header("Builder-Version") == "1")
            #expect(reply.header("Swarm") == "active/manager")
            #expect(reply.header("Content-Length") == "2")
            #expect(reply.body == (method == "GET" ? "OK" : ""))
        }
    }

    @Test func `version and info are the engine's with our part put in`() async throws {
        try await House.with(script: Self.engine) { house in
            let version = try await house.call("GET", "/v1.50/version").object
            #expect(version["ApiVersion"] as? String == "1.50")
            #expect(version["MinAPIVersion"] as? String == "1.24")
            #expect(version["Version"] as? String == "20.10")

            let info = try await house.call("GET", "/v1.50/info").object
            let swarm = info["Swarm"] as? [String: Any] ?? [:]
            #expect(info["NCPU"] as? Int == 2)
            #expect(swarm["LocalNodeState"] as? String == "active")
            #expect(swarm["NodeID"] as? String == FakeControl.nodeID)
            #expect(swarm["ControlAvailable"] as? Bool == true)
            #expect((swarm["Cluster"] as? [String: Any])?["JoinTokens"] == nil)
        }
    }

    @Test func `a service of the CLI's own words is created, shown, changed and rolled back`() async throws {
        try await House.with(script: Self.engine) { house in
            let created = try await house.call("POST", "/v1.50/services/create", Bodies.cliService)
            #expect(created.status == 201)
            let id = try #require(created.object["ID"] as? String)

            let shown = try await house.call("GET", "/v1.50/services/web?insertDefaults=false").object
            let spec = try #require(shown["Spec"] as? [String: Any])
            let template = try #require(spec["TaskTemplate"] as? [String: Any])
            #expect(shown["ID"] as? String == id)
            #expect(spec["Labels"] as? [String: String] == [:])
            #expect(template["Runtime"] as? String == "container")
            #expect(template["ForceUpdate"] as? Int == 0)
            #expect(template["RestartPolicy"] == nil)
            #expect((template["ContainerSpec"] as? [String: Any])?["Isolation"] as? String == "default")
            #expect(shown["ServiceStatus"] == nil)

            let full = try await house.call("GET", "/v1.50/services/web?insertDefaults=true").body
            #expect(full.contains(#""StopGracePeriod":10000000000"#))
            #expect(full.contains(#""RestartPolicy":{"Condition":"any","Delay":5000000000,"MaxAttempts":0}"#))

            let version = (shown["Version"] as? [String: Any])?["Index"] as? Int ?? 0
            let updated = try await house.call(
                "POST", "/v1.50/services/\(id)/update?version=\(version)", Bodies.dockerPyService)
            #expect(updated.status == 200)
            #expect(updated.body == #"{"Warnings":null}"#)

            let rolled = try await house.call(
                "POST", "/v1.50/services/\(id)/update?version=\(version + 1)&rollback=previous", "ignored")
            #expect(rolled.status == 200)
            let now = try await house.call("GET", "/services/\(id)").body
            #expect(now.contains(#""Replicas":2"#))
        }
    }

    @Test func `a list shows each service as it is now, and counts its tasks anew`() async throws {
        try await House.with(script: Self.engine) { house in
            let created = try await house.call("POST", "/v1.50/services/create", Bodies.cliService)
            let id = try #require(created.object["ID"] as? String)
            let alone = try await house.call("GET", "/v1.50/services/\(id)").body

            #expect(try await house.call("GET", "/v1.50/services").body == "[\(alone)]")
            #expect(try await house.call("GET", "/v1.50/services").body == "[\(alone)]")
            let counted = try await house.call("GET", "/v1.50/services?status=true").list
            let status = try #require(counted.first?["ServiceStatus"] as? [String: Int])
            #expect(status == ["RunningTasks": 0, "DesiredTasks": 2, "CompletedTasks": 0])

            let version = (counted.first?["Version"] as? [String: Any])?["Index"] as? Int ?? 0
            _ = try await house.call(
                "POST", "/v1.50/services/\(id)/update?version=\(version)", Bodies.dockerPyService)
            let changed = try await house.call("GET", "/v1.50/services/\(id)").body
            #expect(changed != alone)
            #expect(try await house.call("GET", "/v1.50/services").body == "[\(changed)]")
            #expect(try await house.call("GET", #"/v1.50/services?filters={"name":["none"]}"#).body == "[]")
        }
    }

    @Test func `names of fields are read in any case and keys of maps are left alone`() async throws {
        try await House.with(script: Self.engine) { house in
            _ = try await house.call("POST", "/v1.41/services/create", Bodies.dockerPyService)

            let service = try #require(await house.control.serviceList.first)
            #expect(service.spec.mode == .replicated(3))
            #expect(service.spec.rollbackConfig?.order == "start-first")
            #expect(service.spec.labels == ["replicas": "x", "MODE": ""])
        }
    }

    @Test func `defaults that a stack sends ask for nothing and are accepted`() async throws {
        try await House.with(script: Self.engine) { house in
            let reply = try await house.call("POST", "/v1.50/services/create", Bodies.stackService)
            #expect(reply.status == 201, "\(reply.message)")
        }
    }

    @Test func `lists filter in both encodings`() async throws {
        try await House.with(script: Self.engine) { house in
            _ = try await house.call("POST", "/services/create", Bodies.cliService)
            _ = try await house.call("POST", "/services/create", Bodies.dockerPyService)
            func names(_ filters: String) async throws -> [String] {
                let escaped = filters.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
                return try await house.call("GET", "/v1.50/services?status=true&filters=\(escaped)").list
                    .compactMap { ($0["Spec"] as? [String: Any])?["Name"] as? String }
            }

            #expect(try await names(#"{"name":{"we":true}}"#) == ["web"])
            #expect(try await names(#"{"name":["py"]}"#) == ["py"])
            #expect(try await names(#"{"label":{"replicas=x":true}}"#) == ["py"])
            #expect(try await names(#"{"label":["replicas=y"]}"#) == [])
            #expect(try await names(#"{"mode":["replicated"]}"#).count == 2)
            #expect(try await names("{}").count == 2)
        }
    }

    @Test func `tasks show their networks and know whether they are up to date`() async throws {
        try await House.with(script: Self.engine) { house in
            let (service, task) = await house.addRunningTask()
            var old = task
            old.id = "task2task2task2task2task2"
            old.slot = 2
            old.specVersion = Swarm.Version(0)
            old.spec.containerSpec?.image = "older"
            await house.control.add(old)

            let shown = try await house.call("GET", "/v1.50/tasks/\(task.id)")
            #expect(shown.body.contains(#""Addresses":["10.0.1.5/24"]"#))
            #expect(shown.body.contains(#""NetworksAttachments":[{"#))
            #expect(shown.body.contains(#""Scope":"swarm""#))
            #expect(shown.body.contains(#""State":"running""#))

            let filter =
                "%7B%22_up-to-date%22%3A%7B%22true%22%3Atrue%7D%2C%22service%22%3A%7B%22\(service.id)%22%3Atrue%7D%7D"
            let current = try await house.call("GET", "/v1.50/tasks?filters=\(filter)").list
            #expect(current.compactMap { $0["ID"] as? String } == [task.id])
            #expect(try await house.call("GET", "/v1.50/tasks").list.count == 2)
        }
    }

    @Test func `service logs carry the details behind the time`() async throws {
        try await House.with(script: Self.engine) { house in
            let (service, task) = await house.addRunningTask()
            let reply = try await house.call("GET", "/v1.50/services/web/logs?stdout=1&stderr=1&details=1&tail=all")

            let details =
                "com.docker.swarm.node.id=\(FakeControl.nodeID),com.docker.swarm.service.id=\(service.id),"
                + "com.docker.swarm.task.id=\(task.id) "
            #expect(reply.header("content-type") == "application/vnd.docker.multiplexed-stream")
            #expect(reply.body.contains(details + "hi\n"))
            #expect(reply.body.contains(details + "err\n"))
            #expect(!reply.body.contains("2026-01-02"))
            let timed = try await house.call("GET", "/v1.50/services/web/logs?stdout=1&timestamps=1")
            #expect(timed.body.contains("2026-01-02T03:04:05.000000006Z hi\n"))
        }
    }

    @Test(arguments: ["", "&follow=1"])
    func `logs that the engine cannot read say so`(_ follow: String) async throws {
        let why = "configured logging driver does not support reading"
        let engine: FakeEngine.Script = { head, socket in
            guard head.contains("/logs") else { return try Self.engine(head, socket) }
            try socket.answer(#"{"message":"\#(why)"}"#, status: "501 Not Implemented")
        }
        try await House.with(script: engine) { house in
            let (_, task) = await house.addRunningTask(state: .complete)
            let reply = try await house.call("GET", "/v1.50/tasks/\(task.id)/logs?stdout=1\(follow)")

            let line =
                "Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could "
                + "not be retrieved for the following reasons: \(why)\n"
            #expect(reply.body.contains(line), "\(reply.body)")
            #expect(reply.body.hasSuffix("0\r\n\r\n"))
        }
    }

    @Test func `networks are ours and the engine's together`() async throws {
        try await House.with(script: Self.engine) { house in
            let made = try await house.call("POST", "/v1.50/networks/create", Bodies.cliNetwork)
            #expect(made.status == 201, "\(made.message)")
            let id = try #require(made.object["Id"] as? String)

            let names = try await house.call("GET", "/v1.50/networks").list.compactMap { $0["Name"] as? String }
            #expect(names == ["mynet", "bridge"])
            let shown = try await house.call("GET", "/v1.50/networks/\(id.prefix(8))?scope=swarm").object
            #expect(shown["Driver"] as? String == "overlay")
            #expect(shown["Scope"] as? String == "swarm")
            let joined = try await house.call("POST", "/networks/mynet/connect", #"{"Container":"nobody"}"#)
            #expect(joined.status == 404)

            let pruned = try await house.call("POST", "/v1.50/networks/prune").object
            #expect(pruned["NetworksDeleted"] as? [String] == ["old", "mynet"])
            #expect(try await house.call("DELETE", "/v1.50/networks/mynet").status == 404)
        }
    }

    @Test(arguments: ["direct", "classic"])
    func `a network's data path is shown as it was asked for`(path: String) async throws {
        try await House.with(script: Self.engine) { house in
            let body = #"{"Name":"old","Driver":"overlay","Options":{"causeway.datapath":"\#(path)"}}"#
            let made = try await house.call("POST", "/networks/create", body)
            #expect(made.status == 201, "\(made.message)")

            let shown = try await house.call("GET", "/networks/old?scope=swarm").object
            #expect(shown["Options"] as? [String: String] == ["causeway.datapath": path])
        }
    }

    @Test func `a registry that does not answer is not waited for`() async throws {
        let hasWaited = Mutex(false)
        let engine: FakeEngine.Script = { head, socket in
            guard head.contains("/distribution/") else { return try Self.engine(head, socket) }
            // Never answers: the server hangs up, or the socket's own limit is reached.
            do { _ = try socket.receiveToEnd() } catch { hasWaited.withLock { $0 = true } }
            socket.hangUp()
        }
        try await House.with(script: engine) { house in
            let reply = try await house.call("GET", "/v1.50/distribution/slow:1/json")

            #expect(!hasWaited.withLock { $0 })
            #expect((reply.object["Descriptor"] as? [String: Any])?["digest"] as? String == "sha256:abc")
        }
    }

    @Test func `events of the engine and of the swarm come in one stream`() async throws {
        try await House.with(script: Self.engine) { house in
            let client = try RawSocket.connect(house.socket)
            try await blocking {
                // Since the beginning, so that it does not matter whether the swarm's events are listened to already.
                try client.send("GET /v1.50/events?since=1 HTTP/1.1\r\nHost: d\r\n\r\n")
                _ = try client.receive(until: "{}\n\r\n")
            }
            await house.control.emit(
                SwarmEvent(
                    kind: .service, action: .create, id: "svc1", attributes: ["name": "web"],
                    time: Timestamp(seconds: 5, nanoseconds: 7)))

            let line = try await blocking { try client.receive(until: "}\n\r\n") }
            #expect(
                line.hasSuffix(
                    #"{"Action":"create","Actor":{"Attributes":{"name":"web"},"ID":"svc1"},"Type":"service","scope":"swarm","time":5,"timeNano":5000000007}"#
                        + "\n\r\n"))
        }
    }

    @Test func `who listened before there was a swarm hears its events`() async throws {
        try await House.with(active: false, script: Self.engine) { house in
            let client = try RawSocket.connect(house.socket)
            try await blocking {
                try client.send("GET /v1.50/events?since=1 HTTP/1.1\r\nHost: d\r\n\r\n")
                _ = try client.receive(until: "{}\n\r\n")
            }
            await house.control.emit(
                SwarmEvent(
                    kind: .node, action: .create, id: "node1", attributes: [:], time: Timestamp(seconds: 5)))

            let line = try await blocking { try client.receive(until: "}\n\r\n") }
            #expect(line.contains(#""ID":"node1""#))
        }
    }

    @Test func `a network that cannot be removed does not keep the others from being pruned`() async throws {
        try await House.with(script: Self.engine) { house in
            for name in ["stuck", "idle"] {
                let body = #"{"Name":"\#(name)","Driver":"overlay"}"#
                #expect(try await house.call("POST", "/networks/create", body).status == 201)
            }
            await house.control.keep("stuck")

            let reply = try await house.call("POST", "/networks/prune")

            #expect(reply.status == 200, "\(reply.message)")
            #expect(reply.object["NetworksDeleted"] as? [String] == ["old", "idle"])
        }
    }

    @Test func `options that no driver knows are kept, and mean nothing`() async throws {
        try await House.with(script: Self.engine) { house in
            let networks = #"[{"Target":"n","DriverOpts":{"foo":"bar"}}]"#
            let template = #"{"ContainerSpec":{"Image":"i"},"Networks":\#(networks)}"#
            let body = #"{"Name":"web","TaskTemplate":\#(template)}"#
            let made = try await house.call("POST", "/services/create", body)
            #expect(made.status == 201, "\(made.message)")
            #expect(try await house.call("GET", "/services/web").body.contains(#""DriverOpts":{"foo":"bar"}"#))
        }
    }
}

extension House {
    /// A service on a network, with one running task whose container is `c1`.
    func addRunningTask(state: Swarm.Task.State = .running) async -> (Swarm.Service, Swarm.Task) {
        let network = Swarm.Network(
            id: "net1net1net1net1net1net1n", meta: FakeControl.meta(4), spec: Swarm.NetworkSpec(name: "mynet"),
            subnets: [Swarm.Subnet(subnet: CIDR("10.0.1.0/24")!, gateway: IPAddress("10.0.1.1")!)])
        let template = Swarm.TaskSpec(containerSpec: Swarm.ContainerSpec(image: "busybox"))
        let service = Swarm.Service(
            id: "svc1svc1svc1svc1svc1svc1s", meta: FakeControl.meta(5),
            spec: Swarm.ServiceSpec(name: "web", taskTemplate: template))
        var task = Swarm.Task(
            id: "task1task1task1task1task1", meta: FakeControl.meta(6), service: service, slot: 1,
            nodeID: FakeControl.nodeID)
        task.status = Swarm.Task.Status(
            timestamp: FakeControl.moment, state: state, message: "started", container: .init(id: "c1", pid: 7))
        task.networks = [Swarm.NetworkAttachment(networkID: network.id, addresses: [CIDR("10.0.1.5/24")!])]
        await control.add(network)
        await control.add(service)
        await control.add(task)
        return (service, task)
    }
}
