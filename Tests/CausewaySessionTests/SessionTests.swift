import CausewayModel
import CausewaySession
import Foundation
import Testing

struct SessionTests {
    @Test func `a node joins, hears its assignments as changes, and is heard`() async throws {
        let bed = try Bed()
        let dispatch = bed.dispatch
        try await bed.serving(bed.server()) { port in
            let credentials = try await bed.join(port: port)
            let identity = try credentials.identity()
            #expect(identity.nodeID == Bed.worker)
            #expect(identity.role == .worker)
            #expect(identity.clusterID == dispatch.clusterID)
            #expect(await dispatch.members[Bed.worker] == .worker)

            let remote = try bed.remote()
            try await bed.running(remote) {
                await dispatch.offer(Bed.assignment(1, peers: 3))
                var assignments = await remote.assignments().makeAsyncIterator()
                #expect(await assignments.next() == Bed.assignment(1, peers: 3))

                await dispatch.offer(Bed.assignment(2, peers: 4))
                #expect(await assignments.next() == Bed.assignment(2, peers: 4))

                let reports = [TaskReport.running("t1"), .running("t2")]
                await remote.report(reports)
                await remote.applied(revision: 2)
                await remote.observed([PeerObservation(nodeID: "peer1", isReachable: true, mtu: 1450)])
                try await awaited("reports") { await dispatch.reports == reports }
                try await awaited("applied") { await dispatch.applied == [2] }
                try await awaited("observed") { await dispatch.observed.last?.first?.mtu == 1450 }
                try await awaited("heartbeats") { await dispatch.heartbeats > 1 }
                #expect(await dispatch.hellos == [Bed.hello])
            }
            try await awaited("the session is closed") { await dispatch.closed.map(\.number) == [1] }
        }
    }

    @Test func `credentials and the kept assignment are readable by nobody else`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            let remote = try bed.remote()
            await bed.dispatch.offer(Bed.assignment(7))
            let folder = try bed.folder(of: Bed.worker)
            try await bed.running(remote) {
                try await awaited("kept") { try KeptAssignment.read(in: folder)?.revision == 7 }
            }
            for file in ["node-credentials.json", "assignment.json"] {
                let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")[.posixPermissions]
                #expect(mode as? Int == 0o600)
            }

            try NodeCredentials.remove(in: folder)

            #expect(try NodeCredentials.read(in: folder) == nil)
            #expect(try KeptAssignment.read(in: folder) == nil)
        }
    }

    @Test func `secrets of the kept assignment are in memory alone`() throws {
        let bed = try Bed()
        let folder = try bed.folder(of: Bed.worker)
        let memory = try bed.folder(of: "memory")
        var assignment = Bed.assignment(5)
        assignment.dependencies = [.init(id: "s1", kind: .secret, payload: .init("horse-battery"))]

        try KeptAssignment.write(assignment, in: folder, memory: memory)

        #expect(try KeptAssignment.read(in: folder, memory: memory) == assignment)
        #expect(try KeptAssignment.read(in: folder)?.dependencies == nil, "as after a reboot")
        let onDisk = try String(contentsOfFile: "\(folder)/assignment.json", encoding: .utf8)
        #expect(!onDisk.contains(Data("horse-battery".utf8).base64EncodedString()) && !onDisk.contains("s1"))
        let mode = try FileManager.default.attributesOfItem(atPath: "\(memory)/assignment.json")[.posixPermissions]
        #expect(mode as? Int == 0o600)

        assignment.dependencies = nil
        try KeptAssignment.write(assignment, in: folder, memory: memory)
        #expect(try FileManager.default.contentsOfDirectory(atPath: memory).isEmpty)
        try KeptAssignment.write(assignment, in: folder, memory: memory)
        try NodeCredentials.remove(in: folder, memory: memory)
        #expect(try KeptAssignment.read(in: folder, memory: memory) == nil)
    }

    @Test func `a node that starts without a manager goes on with what it heard last`() async throws {
        let bed = try Bed()
        _ = try await bed.serving(bed.server()) { port in try await bed.join(port: port) }
        let folder = try bed.folder(of: Bed.worker)
        try KeptAssignment.write(Bed.assignment(5), in: folder)

        let remote = try bed.remote()
        try await bed.running(remote) {
            var assignments = await remote.assignments().makeAsyncIterator()
            #expect(await assignments.next()?.revision == 5)
            try await awaited("it is said that nobody is there") {
                await remote.isLost
            }
        }
    }

    @Test func `a slow reader gets the newest only`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            let remote = try bed.remote()
            try await bed.running(remote) {
                let slow = await remote.assignments()
                var quick = await remote.assignments().makeAsyncIterator()
                for revision in 1...20 {
                    await bed.dispatch.offer(Bed.assignment(UInt64(revision), peers: revision % 5))
                    while await quick.next()?.revision != UInt64(revision) {}
                }

                var iterator = slow.makeAsyncIterator()
                #expect(await iterator.next() == Bed.assignment(20))
            }
        }
    }

    @Test func `a session comes back after the manager's restart, and nothing said in between is lost`() async throws {
        let bed = try Bed()
        let dispatch = bed.dispatch
        let port = try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            return port
        }
        let remote = try bed.remote()
        try await bed.running(remote) {
            await dispatch.offer(Bed.assignment(1))
            try await bed.serving(bed.server(port: port)) { _ in
                try await awaited("connected") { await remote.isConnected }
            }
            try await awaited("lost") { await remote.isLost }
            await remote.report([.running("t1")])
            await remote.report([.running("t2"), .running("t1", message: "newer")])
            await remote.applied(revision: 1)
            await dispatch.offer(Bed.assignment(2))

            try await bed.serving(bed.server(port: port)) { _ in
                try await awaited("reports") {
                    await dispatch.reports == [.running("t2"), .running("t1", message: "newer")]
                }
                try await awaited("applied") { await dispatch.applied == [1] }
                var assignments = await remote.assignments().makeAsyncIterator()
                while let next = await assignments.next(), next.revision != 2 {}
                #expect(await dispatch.hellos.map(\.applied) == [0, 1])
            }
        }
    }

    @Test func `reports that a manager refuses are not sent again`() async throws {
        let bed = try Bed()
        let dispatch = bed.dispatch
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            let remote = try bed.remote()
            try await bed.running(remote) {
                await dispatch.refuseReports(SwarmError(.forbidden, "task t1 is not this node's"))
                await remote.report([.running("t1")])
                try await awaited("the refusal is logged") {
                    bed.log.all.contains { $0.contains("the manager refused reports") && $0.contains("t1") }
                }
                await dispatch.refuseReports(nil)
                await remote.report([.running("t2")])
                try await awaited("the next") { await dispatch.reports == [.running("t2")] }
                #expect(await dispatch.hellos.count == 1)
            }
        }
    }

    @Test func `a manager asks a node, and large answers come in parts`() async throws {
        let bed = try Bed()
        let server = bed.server()
        try await bed.serving(server) { port in
            try await bed.join(port: port)
            let remote = try bed.remote { kind, body in
                guard kind == "echo" else { throw SwarmError(.unsupported, "no \(kind) here") }
                return body.isEmpty ? Data(repeating: 7, count: 9 << 20) : body
            }
            await #expect(throws: SwarmError.self) { try await server.request(Bed.worker, kind: "echo") }
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                let small = try await awaited("an answer") {
                    try? await server.request(Bed.worker, kind: "echo", body: Data("hello".utf8))
                }
                #expect(small == Data("hello".utf8))
                #expect(try await server.request(Bed.worker, kind: "echo") == Data(repeating: 7, count: 9 << 20))
                let error = await #expect(throws: SwarmError.self) { try await server.request(Bed.worker, kind: "x") }
                #expect(error?.message.contains("no x here") == true)
            }
        }
    }

    @Test func `a node asks its manager, and leaves`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server(requests: Echo())) { port in
            try await bed.join(port: port)
            let remote = try bed.remote()
            let early = await #expect(throws: SwarmError.self) { try await remote.ask("echo") }
            #expect(early?.reason == .unavailable)
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                let answer = try await remote.ask("echo", Data("x".utf8))
                #expect(String(decoding: answer, as: UTF8.self) == "\(Bed.worker) worker x")

                try await remote.leave()
                #expect(await bed.dispatch.gone == [Bed.worker])
            }
        }
    }

    @Test func `another session of the same node ends the older one`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            let first = try bed.remote()
            try await bed.running(first) {
                try await awaited("first") { await first.isConnected }
                let second = try bed.remote()
                try await bed.running(second) {
                    try await awaited("second") { await second.isConnected }
                    try await awaited("the first is told") {
                        bed.log.all.contains { $0.contains("has ended this session") }
                    }
                }
            }
        }
    }
}

/// Answers a worker's `echo`; `secret` is for managers.
struct Echo: SessionRequests {
    func roles(mayAsk kind: String) -> Set<Swarm.Node.Role>? {
        ["echo": [.worker, .manager], "secret": [.manager]][kind]
    }

    func ask(_ peer: SessionPeer, kind: String, body: Data) async throws(SwarmError) -> Data {
        Data("\(peer.nodeID) \(peer.role.rawValue) \(String(decoding: body, as: UTF8.self))".utf8)
    }
}

extension TaskReport {
    static func running(_ task: Swarm.ID, message: String = "") -> TaskReport {
        TaskReport(
            taskID: task,
            status: Swarm.Task.Status(
                timestamp: Timestamp(seconds: 1_800_000_000, nanoseconds: 0), state: .running, message: message))
    }
}
