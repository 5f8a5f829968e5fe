import ArgumentParser
import CausewayKeeper
import CausewayModel
import Logging

@main
struct KeeperCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "causeway-keeper",
        abstract: "Holds every socket of a node that has to outlive causewayd.",
        discussion: """
            Answers names for the tasks, relays 127.0.0.1 and ::1 to published ports, and keeps published ports from
            others. causewayd starts it, or finds it running, and tells it what to keep; while causewayd is away it
            goes on with what it was told last. It ends on SIGTERM, and nothing that it holds outlives it.

            Example:
              causeway-keeper --socket /run/causeway/keeper.sock
            """,
        version: Release.version)

    @Option(help: "Where causewayd tells it what to keep.")
    var socket = "/run/causeway/keeper.sock"

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"

    /// Given by a keeper to the program that takes its place.
    @Option(help: .hidden)
    var handover: Int32?

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError(
                "log level '\(logLevel)' is not known; use trace, debug, info, notice, warning, error or critical")
        }
    }

    func run() throws {
        let level = Logger.Level(rawValue: logLevel) ?? .info
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        let options = KeeperServer.Options(
            socketPath: socket, release: Release.version, arguments: ["--socket", socket, "--log-level", logLevel])
        try KeeperServer(options, log: Logger(label: "causeway-keeper")).run(resuming: handover)
    }
}
