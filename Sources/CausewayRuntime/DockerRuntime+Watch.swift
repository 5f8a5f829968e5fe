import CausewayEngine
import CausewayModel
import Logging
import NIOHTTP1
import Synchronization

extension DockerRuntime {
    package func watch(_ changed: @escaping @Sendable () -> Void) async { await watch(filters, ends, changed) }

    /// Calls `changed` whenever any container was started, ended, renamed or removed, until the caller is cancelled.
    package func watchAll(_ changed: @escaping @Sendable () -> Void) async {
        await watch(Self.allFilters, allEnds, changed)
    }

    private func watch(
        _ filters: String, _ ends: AnnouncedEnds, _ changed: @escaping @Sendable () -> Void
    ) async {
        var wait = Duration.milliseconds(250)
        while !Task.isCancelled {
            do {
                let events = try await engine.stream(.GET, "/events", query: [("filters", filters)])
                // What happened while nobody listened is found by looking.
                changed()
                wait = .milliseconds(250)
                var lines = JSONLines<EngineEvent>()
                for try await chunk in events {
                    for event in lines.read(chunk) where event.action == "die" { ends.note([event.actor.id]) }
                    changed()
                }
                logger.debug("the engine ended its stream of events")
            } catch {
                if Task.isCancelled { return }
                logger.debug("no events from the engine, next attempt in \(wait): \(error)")
            }
            do { try await Task.sleep(for: wait) } catch { return }
            wait = min(wait * 2, .seconds(10))
        }
    }

    /// Not every event: an `exec`, that of a health check among them, changes no state of a task.
    ///
    /// Docker Engine takes `health_status` as the beginning of an event's name; what was found comes after a colon.
    private var filters: String {
        #"{"type":["container"],"event":["start","die","destroy","health_status"],"label":\#(labels)}"#
    }

    private static let allFilters = #"{"type":["container"],"event":["start","die","destroy","rename"]}"#

    /// Every container that the engine has, whoever made it, by its identifier.
    package func seen() async throws(ContainerError) -> [String: SeenContainer] {
        let ended = allEnds.take()
        do throws(ContainerError) {
            var all: [String: SeenContainer] = [:]
            for container in try await list([]) {
                all[container.id] = SeenContainer(container)
                guard all[container.id]?.isRunning == true, ended.contains(container.id) else { continue }
                all[container.id]?.isRunning = try await detail(container.id)?.state.isRunning ?? false
            }
            return all
        } catch {
            allEnds.note(ended)
            throw error
        }
    }
}

/// Containers whose end the engine has announced, and at which nobody has looked since.
///
/// Docker Engine announces an end, then cleans up, and only then writes the end down for its list of containers
/// (moby, daemon/monitor.go): for some milliseconds the list still shows a container as running. To look at the
/// container itself waits for all of that.
final class AnnouncedEnds: Sendable {
    private let containers = Mutex<Set<String>>([])

    func note(_ ended: Set<String>) { containers.withLock { $0.formUnion(ended) } }

    /// Returns them; they are forgotten.
    func take() -> Set<String> {
        containers.withLock { containers in
            defer { containers = [] }
            return containers
        }
    }
}

/// What is read of a line of `GET /events`.
struct EngineEvent: Decodable {
    struct Actor: Decodable {
        var id: String

        enum CodingKeys: String, CodingKey { case id = "ID" }
    }

    var action: String
    var actor: Actor

    enum CodingKeys: String, CodingKey {
        case action = "Action"
        case actor = "Actor"
    }
}

extension SeenContainer {
    /// One that waits to be restarted does not run: nothing in it listens.
    init(_ summary: ContainerSummary) {
        self.init(
            name: String((summary.names?.first ?? "").drop { $0 == "/" }),
            isRunning: ContainerDetail.State.running.contains(summary.state),
            attachment: summary.labels?[Self.attachmentLabel])
    }
}
