import ArgumentParser
import CausewayLinux
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
    /// Where `causeway-oci` finds the place of each container; nodes that share an engine share it too.
    var placesDirectory: String
    /// Where the namespaces of tasks have their names.
    ///
    /// Each node needs its own: what it does not know there is removed.
    var namespaceDirectory: String
    var keeperSocket: String
    /// Whether to start a keeper where none runs; `false` where somebody else, such as systemd, starts it.
    var startsKeeper: Bool
    /// Empty: the machine's own.
    var hostname: String
    /// How long a node may be silent before the manager has what it runs replaced; `nil`: for ever.
    var evictionAfter: Nanoseconds?
    var logLevel: Logger.Level
    var logFormat: LogFormat
    /// Where `/metrics` is served beside the control socket; `nil`: nowhere.
    var metricsAddress: ListenAddress?

    /// What this node is called.
    var nodeName: String { hostname.isEmpty ? HostFacts.hostname : hostname }

    /// Secrets and configs of this node's tasks; never on a disk.
    var memoryDirectory: String { "\(runDirectory)/memory" }

    var storePath: String { "\(stateDirectory)/swarm.sqlite" }

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
        let format = reader.string(forKey: "log.format", default: LogFormat.text.rawValue)
        guard let logFormat = LogFormat(rawValue: format) else {
            throw ValidationError("log format '\(format)' is not known; use text or json")
        }
        let metrics = reader.string(forKey: "metrics.address", default: "")
        let metricsAddress = ListenAddress(metrics)
        guard metrics.isEmpty || metricsAddress != nil else {
            throw ValidationError(
                "metrics address '\(metrics)' is not understood; give ADDRESS:PORT, such as 127.0.0.1:9323 or [::1]:9323"
            )
        }
        let eviction = reader.string(forKey: "eviction.after", default: "30")
        guard eviction == "never" || (Int64(eviction).map { $0 > 0 } ?? false) else {
            throw ValidationError("eviction after '\(eviction)' is not understood; give a number of seconds, or never")
        }
        let runDirectory = reader.string(forKey: "run.directory", default: "/run/causeway")
        let stateDirectory = reader.string(forKey: "state.directory", default: "/var/lib/causeway")
        return Settings(
            socket: reader.string(forKey: "socket", default: "\(runDirectory)/docker.sock"),
            controlSocket: reader.string(forKey: "control.socket", default: "\(runDirectory)/control.sock"),
            stateDirectory: stateDirectory,
            runDirectory: runDirectory,
            engineSocket: reader.string(forKey: "engine.socket", default: "/var/run/docker.sock"),
            placesDirectory: reader.string(forKey: "places.directory", default: "\(stateDirectory)/containers"),
            namespaceDirectory: reader.string(
                forKey: "namespaces.directory", default: NetworkNamespace.directory),
            keeperSocket: reader.string(forKey: "keeper.socket", default: "\(runDirectory)/keeper.sock"),
            startsKeeper: reader.bool(forKey: "keeper.start", default: true),
            hostname: reader.string(forKey: "hostname", default: ""),
            evictionAfter: Int64(eviction).map { .seconds($0) }, logLevel: logLevel, logFormat: logFormat,
            metricsAddress: metricsAddress)
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

    @Option(
        name: [.customLong("places-dir"), .customLong("places-directory")],
        help: "Where causeway-oci finds the place of each container (default: containers in the state folder).")
    var placesDirectory: String?

    @Option(
        name: [.customLong("namespaces-dir"), .customLong("namespaces-directory")],
        help: "Where the namespaces of tasks have their names; each node its own (default: /run/netns).")
    var namespaceDirectory: String?

    @Option(help: "Where causeway-keeper is told what to keep (default: /run/causeway/keeper.sock).")
    var keeperSocket: String?

    @Option(help: "Whether to start causeway-keeper where none runs: true or false (default: true).")
    var keeperStart: String?

    @Option(help: "This node's name in the swarm (default: the machine's).")
    var hostname: String?

    @Option(
        help: ArgumentHelp(
            "How long a node may be silent before what it runs is replaced, or never (default: 30).",
            valueName: "seconds"))
    var evictionAfter: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
    var logLevel: String?

    @Option(help: "text, or json: one object on each line (default: text).")
    var logFormat: String?

    @Option(
        help: ArgumentHelp(
            "Serves /metrics on TCP too, for Prometheus; everybody who reaches the address can read (default: nowhere).",
            valueName: "address:port"))
    var metricsAddress: String?

    var values: [AbsoluteConfigKey: ConfigValue] {
        let all: [(AbsoluteConfigKey, String?)] = [
            ("socket", socket), ("control.socket", controlSocket), ("state.directory", stateDirectory),
            ("run.directory", runDirectory), ("engine.socket", engineSocket), ("hostname", hostname),
            ("places.directory", placesDirectory),
            ("namespaces.directory", namespaceDirectory), ("eviction.after", evictionAfter),
            ("keeper.socket", keeperSocket), ("keeper.start", keeperStart),
            ("log.level", logLevel), ("log.format", logFormat), ("metrics.address", metricsAddress),
        ]
        return all.reduce(into: [:]) { values, pair in
            if let value = pair.1 { values[pair.0] = ConfigValue(stringLiteral: value) }
        }
    }
}

/// An address and a port to listen on: `127.0.0.1:9323`, `[::1]:9323`.
struct ListenAddress: Hashable, Sendable {
    var host: String
    var port: UInt16

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
        else { return nil }
        var host = String(text[..<colon])
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        guard let address = IPAddress(host), (address.v6 != nil) == isBracketed else { return nil }
        self.host = host
        self.port = port
    }
}
