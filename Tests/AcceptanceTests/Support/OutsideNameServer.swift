import Foundation

/// A name server outside the machine, at the address that the machine's resolv.conf names.
final class OutsideNameServer {
    private let process: Process

    private init(_ process: Process) { self.process = process }

    static func start(answering name: String, with address: String) async throws -> OutsideNameServer {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = Machine.Place.outside.wrap([
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
            "--pid-file=", "--address=/\(name)/\(address)",
        ])
        process.standardError = FileHandle.nullDevice
        try process.run()
        try await eventually("the name server outside") {
            let said = try await attempt(at: .outside, "ss", "-Hlun", "sport = :53")
            return said.trimmed.isEmpty ? nil : true
        }
        return OutsideNameServer(process)
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}
