import Foundation

/// A name server outside the machine, at the address that the machine's resolv.conf names.
struct OutsideNameServer {
    private let process: Spawned

    static func start(answering name: String, with address: String) async throws -> OutsideNameServer {
        let words = [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
            "--pid-file=", "--address=/\(name)/\(address)",
        ]
        let log = "/run/causeway-test-dnsmasq.log"
        let process = try Spawned(Machine.Place.outside.wrap(words), out: log, err: log)
        try await eventually("the name server outside") {
            let said = try await attempt(at: .outside, "ss", "-Hlun", "sport = :53")
            return said.trimmed.isEmpty ? nil : true
        }
        return OutsideNameServer(process: process)
    }

    func stop() async { await process.stop() }
}
