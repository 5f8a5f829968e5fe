import ArgumentParser
import CausewayAPI
import CausewayAgent
import CausewayEngine
import CausewayLinux
import CausewayManager
import CausewayModel
import CausewayRuntime
import CausewaySession
import CausewayStore
import Logging

@main
struct Daemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "causewayd",
        abstract: "Runs Docker Swarm services on this node.",
        discussion: """
            Every setting can come from a flag, from the environment (CAUSEWAY_SOCKET, CAUSEWAY_STATE_DIRECTORY, …) or
            from a JSON file ({"socket": "…", "state": {"directory": "…"}}); a flag wins over the environment, the
            environment over the file.

            Stops on SIGTERM or SIGINT. Tasks keep running, and are adopted at the next start.

            Example:
              causewayd --state-dir /var/lib/causeway &
              DOCKER_HOST=unix:///run/causeway/docker.sock docker swarm init
            """,
        version: Release.version)

    @OptionGroup var flags: Flags

    func run() async throws {
        let settings = try await Settings.read(flags: flags)
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = settings.logLevel
            return handler
        }
        try await House(settings: settings, logger: Logger(label: "causewayd")).run()
    }
}
