import ArgumentParser
import CausewayModel
import Configuration
import Logging
import SystemPackage

/// What an operator can set.
///
/// A flag wins over the environment (`CAUSEWAY_…`), the environment over the file.
struct Settings: Sendable {
    var socket: String
    var controlSocket: String
    var stateDirectory: String
    var runDirectory: String
    var engineSocket: String
    var keeperSocket: String
    /// Whether to start a keeper where none runs; `false` where somebody else, such as systemd, starts it.
    var startsKeeper: Bool
    /// Empty: the machine's own.
    var hostname: String
    var logLevel: Logger.Level

    /// Reads all three sources.
    ///
    /// - Throws: `ValidationError` that names the setting, when a value cannot be used.
    static func read(flags: Flags, environment: [String: String]? = nil) async throws -> Settings {
        let file: any ConfigProvider = try await FileProvider<JSONSnapshot>(
            filePath: FilePath(flags.config ?? defaultFile), allowMissing: flags.config == nil)
        let reader = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: flags.values),
            EnvironmentVariablesProvider().prefixKeys(with: "causeway"),
            file,
        ])
        let level = reader.string(forKey: "log.level", default: "info")
        guard let logLevel = Logger.Level(rawValue: level) else {
            throw ValidationError(
                "log level '\(level)' is not known; use trace, debug, info, notice, warning, error or critical")
        }
        let runDirectory = reader.string(forKey: "run.directory", default: "/run/causeway")
        return Settings(
            socket: reader.string(forKey: "socket", default: "\(runDirectory)/docker.sock"),
            controlSocket: reader.string(forKey: "control.socket", default: "\(runDirectory)/control.sock"),
            stateDirectory: reader.string(forKey: "state.directory", default: "/var/lib/causeway"),
            runDirectory: runDirectory,
            engineSocket: reader.string(forKey: "engine.socket", default: "/var/run/docker.sock"),
            keeperSocket: reader.string(forKey: "keeper.socket", default: "\(runDirectory)/keeper.sock"),
            startsKeeper: reader.bool(forKey: "keeper.start", default: true),
            hostname: reader.string(forKey: "hostname", default: ""),
            logLevel: logLevel)
    }

    static let defaultFile = "/etc/causeway/causewayd.json"
}

/// The command line of `causewayd`.
struct Flags: ParsableArguments {
    @Option(help: "Configuration file, JSON (default: \(Settings.defaultFile) if it is there).")
    var config: String?

    @Option(help: "Where the Docker Engine API is served (default: /run/causeway/docker.sock).")
    var socket: String?

    @Option(help: "Where the causeway command asks the daemon (default: /run/causeway/control.sock).")
    var controlSocket: String?

    @Option(
        name: [.customLong("state-dir"), .customLong("state-directory")],
        help: "What outlives a reboot (default: /var/lib/causeway).")
    var stateDirectory: String?

    @Option(
        name: [.customLong("run-dir"), .customLong("run-directory")],
        help: "What does not outlive a reboot (default: /run/causeway).")
    var runDirectory: String?

    @Option(help: "Docker Engine's socket (default: /var/run/docker.sock).")
    var engineSocket: String?

    @Option(help: "Where causeway-keeper is told what to keep (default: /run/causeway/keeper.sock).")
    var keeperSocket: String?

    @Option(help: "Whether to start causeway-keeper where none runs: true or false (default: true).")
    var keeperStart: String?

    @Option(help: "This node's name in the swarm (default: the machine's).")
    var hostname: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
    var logLevel: String?

    var values: [AbsoluteConfigKey: ConfigValue] {
        let all: [(AbsoluteConfigKey, String?)] = [
            ("socket", socket), ("control.socket", controlSocket), ("state.directory", stateDirectory),
            ("run.directory", runDirectory), ("engine.socket", engineSocket), ("hostname", hostname),
            ("log.level", logLevel), ("keeper.socket", keeperSocket), ("keeper.start", keeperStart),
        ]
        return all.reduce(into: [:]) { values, pair in
            if let value = pair.1 { values[pair.0] = ConfigValue(stringLiteral: value) }
        }
    }
}
