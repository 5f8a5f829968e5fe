import CausewayEngine
import CausewayModel
import Logging
import NIOHTTP1

extension DockerRuntime {
    package func watch(_ changed: @escaping @Sendable () -> Void) async { await watch(filters, changed) }

    /// Calls `changed` whenever any container was started, ended, renamed or removed, until the caller is cancelled.
    package func watchAll(_ changed: @escaping @Sendable () -> Void) async { await watch(Self.allFilters, changed) }

    private func watch(_ filters: String, _ changed: @escaping @Sendable () -> Void) async {
        var wait = Duration.milliseconds(250)
        while !Task.isCancelled {
            do {
                let events = try await engine.stream(.GET, "/events", query: [("filters", filters)])
                // What happened while nobody listened is found by looking.
                changed()
                wait = .milliseconds(250)
                for try await _ in events { changed() }
                logger.debug("the engine ended its stream of events")
            } catch {
                if Task.isCancelled { return }
                logger.debug("no events from the engine, next attempt in \(wait): \(error)")
            }
            do { try await Task.sleep(for: wait) } catch { return }
            wait = min(wait * 2, .seconds(10))
        }
    }

    /// Not every event: a health check or an `exec` changes no state of a task.
    private var filters: String { #"{"type":["container"],"event":["start","die","destroy"],"label":\#(labels)}"# }

    private static let allFilters = #"{"type":["container"],"event":["start","die","destroy","rename"]}"#

    /// Every container that the engine has, whoever made it, by its identifier.
    package func seen() async throws(ContainerError) -> [String: SeenContainer] {
        do throws(EngineError) {
            let all = try await engine.get("/containers/json", query: [("all", "1")], as: [ContainerSummary].self)
            return Dictionary(all.map { ($0.id, SeenContainer($0)) }) { first, _ in first }
        } catch {
            throw ContainerError(.unavailable, error.message)
        }
    }
}

extension SeenContainer {
    /// One that waits to be restarted does not run: nothing in it listens.
    init(_ summary: ContainerSummary) {
        self.init(
            name: String((summary.names?.first ?? "").drop { $0 == "/" }),
            isRunning: ["running", "paused"].contains(summary.state),
            attachment: summary.labels?[Self.attachmentLabel])
    }
}
