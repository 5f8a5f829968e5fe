import CausewayModel
import Synchronization
import Testing

@testable import CausewayAgent

/// A supervisor with everything around it, driven round by round.
private final class Story: Sendable {
    let runtime = FakeRuntime()
    let manager = FakeManager()
    let supervisor: TaskSupervisor

    init(network: FakeNetwork = FakeNetwork()) {
        let (manager, time) = (manager, Time())
        self.time = time
        supervisor = TaskSupervisor(
            runtime: runtime, network: network, nodeID: "n1", now: { time.now },
            report: { try await manager.take($0) })
    }

    final class Time: Sendable {
        private let seconds = Mutex<Int64>(1_000)
        var now: Timestamp { Timestamp(seconds: seconds.withLock { $0 }) }
        func pass(_ more: Int64) { seconds.withLock { $0 += more } }
    }
    let time: Time

    /// Rounds until one finds nothing to do, at most `limit`; then what is to be reported is.
    func settle(limit: Int = 5) async {
        for _ in 0..<limit {
            let jobs = await supervisor.round()
            if jobs.isEmpty { break }
            await withDiscardingTaskGroup { group in
                for job in jobs { group.addTask { await self.supervisor.carryOut(job) } }
            }
        }
        await supervisor.flush()
    }

    func container(_ task: String) async -> ObservedContainer? { await runtime.containers["c-\(task)"] }
}

@Suite struct `A supervisor of tasks` {
    @Test func `brings a task to running, through every state in order`() async {
        let story = Story()

        await story.supervisor.update([.sample("t1")])
        await story.settle()

        #expect(await story.runtime.calls == ["prepare t1", "start c-t1"])
        #expect(await story.manager.states(of: "t1") == [.accepted, .preparing, .ready, .starting, .running])
        #expect(await story.manager.last("t1")?.container == .init(id: "c-t1", pid: 100, exitCode: 0))
        #expect(await story.runtime.paths == ["c-t1": "/run/netns/cw-t1"])
    }

    @Test func `does nothing and removes nothing before it has heard the assignment`() async {
        let story = Story()
        await story.runtime.put(.init(id: "c-t1", taskID: "t1", nodeID: "n1", state: .running))

        await story.settle()

        #expect(await story.runtime.calls.isEmpty)
    }

    @Test func `reports a crash with its code, and a clean end as complete`() async {
        let story = Story()
        await story.supervisor.update([.sample("t1"), .sample("t2")])
        await story.settle()

        await story.runtime.exit("c-t1", code: 3)
        await story.runtime.exit("c-t2", code: 0)
        await story.settle()

        #expect(await story.manager.last("t1")?.state == .failed)
        #expect(await story.manager.last("t1")?.error == "task: non-zero exit (3)")
        #expect(await story.manager.last("t2")?.state == .complete)
        #expect(await story.container("t1") != nil, "the container stays for its logs")
    }

    @Test func `adopts what runs after a restart, and starts nothing twice`() async {
        let story = Story()
        await story.runtime.put(.init(id: "c-t1", taskID: "t1", nodeID: "n1", state: .running, pid: 7))
        await story.runtime.put(.init(id: "c-t2", taskID: "t2", nodeID: "n1", state: .running, pid: 8))
        await story.runtime.put(.init(id: "c-t3", taskID: "t3", nodeID: "n1", state: .created))
        await story.runtime.put(.init(id: "c-t4", taskID: "t4", nodeID: "n1", state: .exited, exitCode: 9))

        await story.supervisor.update([
            .sample("t1", state: .running), .sample("t2", state: .starting), .sample("t3", state: .preparing),
            .sample("t4", state: .running),
        ])
        await story.settle()

        #expect(await story.runtime.calls == ["start c-t3"])
        #expect(await story.manager.states(of: "t1").isEmpty)
        #expect(await story.manager.states(of: "t2") == [.running])
        #expect(await story.manager.states(of: "t3") == [.ready, .starting, .running])
        #expect(await story.manager.last("t4")?.error == "task: non-zero exit (9)")
    }

    @Test func `stops a task that shall end, and removes it once it is not assigned`() async {
        let story = Story()
        await story.supervisor.update([.sample("t1")])
        await story.settle()

        await story.supervisor.update([.sample("t1", desired: .shutdown, state: .running)])
        await story.settle()
        #expect(await story.runtime.calls.last == "stop c-t1")
        #expect(await story.manager.last("t1")?.state == .shutdown)
        #expect(await story.manager.last("t1")?.container?.exitCode == 143)

        await story.supervisor.update([])
        await story.settle()
        #expect(await story.runtime.calls.last == "remove c-t1")
        #expect(await story.runtime.containers.isEmpty)
    }

    @Test func `stops before it removes, and only what is its own`() async {
        let story = Story()
        await story.runtime.put(.init(id: "c-old", taskID: "old", nodeID: "n1", state: .running))
        await story.runtime.put(.init(id: "c-other", taskID: "other", nodeID: "n2", state: .running))

        await story.supervisor.update([])
        await story.settle()

        #expect(await story.runtime.calls == ["stop c-old", "remove c-old"])
        #expect(await story.runtime.containers.keys.sorted() == ["c-other"])
    }

    @Test func `a container that vanished fails its task`() async {
        let story = Story()
        await story.supervisor.update([.sample("t1")])
        await story.settle()

        await story.runtime.drop("c-t1")
        await story.settle()

        #expect(await story.manager.last("t1")?.state == .failed)
        #expect(await story.manager.last("t1")?.error?.contains("is gone") == true)
        #expect(await story.runtime.calls == ["prepare t1", "start c-t1"])
    }

    @Test func `a missing image rejects, a failed start fails, each in the engine's words`() async {
        let story = Story()
        await story.runtime.fail("prepare", .refused, "No such image: x:1")
        await story.supervisor.update([.sample("t1")])
        await story.settle()
        #expect(await story.manager.states(of: "t1") == [.accepted, .preparing, .rejected])
        #expect(await story.manager.last("t1")?.error == "No such image: x:1")

        await story.runtime.fail("start", .refused, "exec: \"/nope\": no such file")
        await story.supervisor.update([.sample("t2")])
        await story.settle()
        #expect(await story.manager.last("t2")?.state == .failed)
        #expect(await story.manager.last("t2")?.error == "starting container failed: exec: \"/nope\": no such file")
    }

    @Test func `a network that cannot be made fails the task before its container starts`() async {
        let story = Story(network: FakeNetwork(refusal: "no address left"))

        await story.supervisor.update([.sample("t1")])
        await story.settle()

        #expect(await story.manager.last("t1")?.error == "starting container failed: network: no address left")
        #expect(await story.runtime.calls == ["prepare t1"])
    }

    @Test func `a task does not count as running before it listens`() async {
        let seen = Mutex<[Swarm.Task.State]>([])
        let manager = Mutex<FakeManager?>(nil)
        let story = Story(
            network: FakeNetwork { task in
                let states = await manager.withLock { $0 }?.states(of: task.id) ?? [.running]
                seen.withLock { $0 = states }
            })
        manager.withLock { $0 = story.manager }

        await story.supervisor.update([.sample("t1")])
        await story.settle()

        #expect(!seen.withLock { $0.contains(.running) })
        #expect(await story.manager.last("t1")?.state == .running)
    }

    @Test func `an engine that is away fails nothing, and work goes on when it is back`() async {
        let story = Story()
        await story.supervisor.update([.sample("t1")])
        await story.settle()

        await story.runtime.fail("observe", .unavailable, "down")
        await story.runtime.fail("prepare", .unavailable, "down", times: 2)
        await story.supervisor.update([.sample("t1", state: .running), .sample("t2")])
        await story.settle()
        #expect(await story.manager.states(of: "t2").isEmpty)

        await story.settle()
        #expect(await story.manager.last("t1")?.state == .running)
        #expect(await story.manager.last("t2")?.state == .preparing)

        let calls = await story.runtime.calls.count
        await story.settle()
        #expect(await story.runtime.calls.count == calls, "it waits before it tries again")

        story.time.pass(1)
        await story.settle()
        #expect(await story.manager.last("t2")?.state == .preparing)
        story.time.pass(2)
        await story.settle()
        #expect(await story.manager.last("t2")?.state == .running)
    }

    @Test func `keeps reports while the manager is away, and their order`() async {
        let story = Story()
        await story.manager.leave()
        await story.supervisor.update([.sample("t1")])
        await story.settle()
        #expect(await story.manager.reports.isEmpty)

        await story.manager.comeBack()
        await story.supervisor.flush()

        #expect(await story.manager.states(of: "t1") == [.accepted, .preparing, .ready, .starting, .running])
    }

    @Test func `a task that is withdrawn while its image is pulled loses its container`() async throws {
        let story = Story()
        await story.runtime.hold()
        await story.supervisor.update([.sample("t1")])
        let job = try #require(await story.supervisor.round().first)

        await withDiscardingTaskGroup { group in
            group.addTask { await story.supervisor.carryOut(job) }
            while await story.runtime.heldCount == 0 { await Task.yield() }
            await story.supervisor.update([])
            #expect(await story.supervisor.round().isEmpty, "its turn comes when the call has ended")
            await story.runtime.release()
        }
        await story.settle()

        #expect(await story.runtime.calls == ["prepare t1", "remove c-t1"])
        #expect(await story.runtime.containers.isEmpty)
    }

    @Test func `a look that began before a job ended does not call its container gone`() async throws {
        let story = Story()
        await story.supervisor.update([.sample("t1")])
        let job = try #require(await story.supervisor.round().first)
        #expect(await story.supervisor.round().isEmpty, "a task has one job at a time")

        await story.runtime.holdLook()
        await withDiscardingTaskGroup { group in
            group.addTask { #expect(await story.supervisor.round().isEmpty) }
            while await story.runtime.heldCount == 0 { await Task.yield() }
            await story.supervisor.carryOut(job)
            await story.runtime.release()
        }
        await story.settle()

        #expect(await story.manager.last("t1")?.state == .running)
    }

    @Test func `prepares many side by side, within its bound`() async {
        let story = Story()
        await story.runtime.hold()
        await story.supervisor.update((10..<50).map { .sample("t\($0)") })
        let jobs = await story.supervisor.round()

        await withDiscardingTaskGroup { group in
            for job in jobs { group.addTask { await story.supervisor.carryOut(job) } }
            while await story.runtime.heldCount < 16 { await Task.yield() }
            for _ in 0..<100 { await Task.yield() }
            #expect(await story.runtime.heldCount == 16)
            await story.runtime.release()
        }
        await story.settle()

        #expect(await story.runtime.mostRunning == 16)
        #expect(await story.manager.reports.filter { $0.status.state == .running }.count == 40)
    }

    @Test func `a container that cannot be removed is tried again`() async {
        let story = Story()
        await story.runtime.put(.init(id: "c-old", taskID: "old", nodeID: "n1", state: .exited))
        await story.runtime.fail("remove", .refused, "device or resource busy")
        await story.supervisor.update([])

        await story.settle()

        #expect(await story.runtime.calls == ["remove c-old", "remove c-old"])
        #expect(await story.runtime.containers.isEmpty)
    }

    @Test func `leaving the swarm removes all of its own at once`() async throws {
        let story = Story()
        await story.supervisor.update([.sample("t1"), .sample("t2")])
        await story.settle()
        await story.runtime.put(.init(id: "c-other", taskID: "other", nodeID: "n2", state: .running))

        try await story.supervisor.removeAll()

        #expect(await story.runtime.containers.keys.sorted() == ["c-other"])
        #expect(await story.runtime.calls.contains { $0.hasPrefix("stop") } == false)
    }

    @Test func `works on its own once it runs, and ends when it is cancelled`() async {
        let story = Story()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await story.supervisor.run() }
            await story.supervisor.update([.sample("t1")])
            while await story.manager.last("t1")?.state != .running { await Task.yield() }
            await story.supervisor.update([])
            while await !story.runtime.containers.isEmpty { await Task.yield() }
            group.cancelAll()
        }
        #expect(await story.manager.states(of: "t1") == [.accepted, .preparing, .ready, .starting, .running])
    }

    @Test func `a task gets the secrets that it uses, and they are forgotten when it has ended`() async {
        let story = Story()
        let mine = Swarm.AssignedDependency(id: "s1", kind: .secret, payload: .init("one"))
        let other = Swarm.AssignedDependency(id: "s2", kind: .secret, payload: .init("two"))
        var task = Swarm.Task.sample("t1")
        var container = task.spec.containerSpec ?? .init(image: "i")
        container.secrets = [.init("s1", name: "one", file: .init(name: "one"))]
        task.spec.containerSpec = container
        await story.runtime.fail("prepare", .unavailable, "secret 'one' has not come from the manager yet")

        await story.supervisor.update([task], [other])
        await story.settle()
        #expect(await story.runtime.given["t1"] == [])
        #expect(await story.runtime.kept == ["t1"])

        // What it waits for comes: nobody waits for the time of the next attempt.
        await story.supervisor.update([task], [mine, other])
        await story.settle()
        #expect(await story.manager.last("t1")?.state == .running)
        #expect(await story.runtime.given["t1"] == [mine])
        #expect(await story.runtime.kept == ["t1"])

        await story.runtime.exit("c-t1", code: 0)
        await story.settle()
        #expect(await story.manager.last("t1")?.state == .complete)
        #expect(await story.runtime.kept == [])
        #expect(await story.runtime.keptFiles == ["t1"])
    }

    @Test func `the files of a task that is given up before it has a container go`() async {
        let story = Story()
        await story.runtime.fail("prepare", .unavailable, "the engine ended")
        await story.supervisor.update([.sample("t1")])
        await story.settle()
        #expect(await story.runtime.containers.isEmpty)
        #expect(await story.runtime.keptFiles == ["t1"])

        await story.supervisor.update([])
        await story.settle()
        #expect(await story.runtime.keptFiles == [])
    }
}
