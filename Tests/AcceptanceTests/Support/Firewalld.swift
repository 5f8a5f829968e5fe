import Foundation

/// firewalld on the tests' machine, and the message bus that it needs.
actor Firewalld {
    private static let log = "/run/firewalld.log"

    private let bus: Spawned
    private var process: Spawned?

    /// Starts both, and waits until firewalld has its rules.
    init() async throws {
        try FileManager.default.createDirectory(atPath: "/run/dbus", withIntermediateDirectories: true)
        bus = try Spawned(["dbus-daemon", "--system", "--nofork", "--nopidfile"], out: Self.log, err: Self.log)
        do {
            try await eventually("a message bus") {
                FileManager.default.fileExists(atPath: "/run/dbus/system_bus_socket") ? true : nil
            }
            try await start()
        } catch {
            await end()
            throw Context(
                error: error, notes: [(try? String(contentsOfFile: Self.log, encoding: .utf8)) ?? "no log"])
        }
    }

    private func start() async throws {
        process = try Spawned(["firewalld", "--nofork", "--nopid"], out: Self.log, err: Self.log)
        try await eventually("firewalld to run") {
            try await Command(["firewall-cmd", "--state"]).attempt().succeeded ? true : nil
        }
    }

    /// Ends it, as systemd would; it takes its rules with it.
    func stop() async throws {
        await process?.stop(SIGTERM)
        process = nil
    }

    func restart() async throws {
        try await stop()
        try await start()
    }

    /// Ends both.
    func end() async {
        await process?.stop(SIGTERM)
        await bus.stop(SIGTERM)
        try? FileManager.default.removeItem(atPath: "/run/dbus")
    }
}
