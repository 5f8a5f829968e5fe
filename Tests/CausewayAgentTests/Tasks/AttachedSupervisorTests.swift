import CausewayModel
import Logging
import Synchronization
import Testing

@testable import CausewayAgent

/// Docker Engine, its files and the manager, in memory.
private final class Surroundings: ContainerLister, ContainerPlaces, ContainerReporting {
    struct State {
        var seen: [String: SeenContainer]? = [:]
        var places: [String: String] = [:]
        var ready: Set<String> = []
        var reports: [(seen: [String: SeenContainer], known: Set<Swarm.ID>)] = []
    }

    let state = Mutex(State())

    func seen() async throws(ContainerError) -> [String: SeenContainer] {
        guard let seen = state.withLock({ $0.seen }) else { throw ContainerError(.unavailable, "no engine") }
        return seen
    }

    func watchAll(_ changed: @escaping @Sendable () -> Void) async {}
    func write(namespace: String, of container: String) { state.withLock { $0.places[container] = namespace } }
    func remove(container: String) { state.withLock { $0.places[container] = nil } }
    func containers() -> [String] { state.withLock { $0.places.keys.sorted() } }
    func markReady(_ namespace: String) { state.withLock { _ = $0.ready.insert(namespace) } }
    func unmarkReady(_ namespace: String) { state.withLock { _ = $0.ready.remove(namespace) } }
    func starting(containerID: String) async throws(SwarmError) -> Bool { false }

    func report(_ seen: [String: SeenContainer], of known: Set<Swarm.ID>) async throws(SwarmError) {
        state.withLock { $0.reports.append((seen, known)) }
    }
}

@Suite struct `The supervisor of users' containers` {
    private let around = Surroundings()
    private let supervisor: AttachedSupervisor

    init() {
        supervisor = AttachedSupervisor(
            engine: around, places: around, reporting: around,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func container(_ name: String, _ containerID: String?) -> AttachedContainer {
        AttachedContainer(
            id: "\(name)000000000000", createdAt: Timestamp(seconds: 0), nodeID: "n", containerID: containerID,
            name: name)
    }

    @Test func `writes the place of each that is made, and marks what is complete`() async {
        await supervisor.update([container("a", nil), container("b", "bb")], ready: ["cw-a.a0000000"])

        #expect(around.state.withLock { $0.places } == ["bb": "cw-b.b0000000"])
        #expect(around.state.withLock { $0.ready } == ["cw-a.a0000000"])

        await supervisor.update([], ready: [])
        #expect(around.state.withLock { $0.places.isEmpty && $0.ready.isEmpty })
    }

    @Test func `keeps the namespace of one that is renamed`() async {
        var renamed = container("a", "aa")
        renamed.name = "other"

        await supervisor.update([renamed], ready: [])

        #expect(around.state.withLock { $0.places } == ["aa": "cw-a.a0000000"])
    }

    @Test func `forgets places of containers that the engine does not have`() async {
        around.write(namespace: "cw-old", of: "dead")
        around.state.withLock { $0.seen = ["bb": SeenContainer(name: "b", isRunning: true)] }
        await supervisor.look()
        #expect(around.containers() == ["dead"], "nothing is touched before the first assignment")

        await supervisor.update([container("b", "bb")], ready: [])
        await supervisor.look()

        #expect(around.containers() == ["bb"])
        let report = around.state.withLock { $0.reports.last }
        #expect(report?.known == ["b000000000000"] && report?.seen.keys.sorted() == ["bb"])
    }

    @Test func `says nothing of any while the engine is silent`() async {
        await supervisor.update([container("b", "bb")], ready: [])
        around.state.withLock { $0.seen = nil }

        await supervisor.look()

        #expect(around.containers() == ["bb"])
        #expect(around.state.withLock { $0.reports.isEmpty })
    }
}
