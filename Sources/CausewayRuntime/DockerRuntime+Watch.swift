import CausewayEngine
import CausewayModel
import Logging
import NIOHTTP1

extension DockerRuntime {
    package func watch(_ changed: @escaping @Sendable () -> Void) async {
        var wait = Duration.milliseconds(250)
        while !Task.isCancelled {
            do {
                let events = try await engine.stream(.GET, "/events", query: [("filters", Self.filters)])
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
    private static let filters = """
        {"type":["container"],"event":["start","die","destroy"],"label":["\(ContainerCreation.Label.taskID)"]}
        """
}
