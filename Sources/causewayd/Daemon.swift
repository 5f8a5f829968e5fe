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
import Glibc
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

            Each line of the log on standard error is one event: time, level, part, words, key=value. At warning and above
            something wants to be done, and the line says what.

            Stops on SIGTERM or SIGINT. Tasks keep running, and are adopted at the next start.

            Example:
              causewayd --state-dir /var/lib/causeway &
              DOCKER_HOST=unix:///run/causeway/docker.sock docker swarm init
            """,
        version: Release.version,
        subcommands: [CheckCommand.self, BackupCommand.self, RestoreCommand.self])

    @OptionGroup var flags: Flags

    func run() async throws {
        // What is made is root's alone, unless its maker says otherwise.
        umask(0o077)
        Heap.share()
        let settings = try await Settings.read(flags: flags)
        let sink = LogSink(format: settings.logFormat, isJournal: LogSink.isJournal())
        LoggingSystem.bootstrap { LineLogHandler(label: $0, level: settings.logLevel, sink: sink) }
        try await House(settings: settings, logger: Logger(label: "causewayd")).run()
    }
}
