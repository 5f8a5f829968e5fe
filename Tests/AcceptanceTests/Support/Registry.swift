import Foundation

/// A registry of this machine (Debian's docker-registry), which gives nothing away without a name and a password.
///
/// On a loopback address, where Docker Engine asks without TLS.
struct Registry {
    static let address = "127.0.0.1:5000"
    static let user = "shop"
    static let password = "secret"
    /// bcrypt of the password, of the least cost: the registry computes it for each request, on a busy machine for seconds.
    private static let line = "shop:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"

    /// What a client shows: URL-safe base64 of JSON.
    static var header: String {
        Data(#"{"username":"\#(user)","password":"\#(password)"}"#.utf8).base64EncodedString()
    }

    /// Runs one while `body` runs; `docker login` of the tests' command line is undone afterwards.
    static func with(body: () async throws -> Void) async throws {
        let folder = "/run/causeway-test-registry"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data(line.utf8).write(to: URL(filePath: "\(folder)/htpasswd"))
        let configuration = """
            version: 0.1
            log: {level: warn}
            storage: {filesystem: {rootdirectory: \(folder)/store}}
            http: {addr: "\(address)"}
            auth: {htpasswd: {realm: shop, path: \(folder)/htpasswd}}

            """
        try Data(configuration.utf8).write(to: URL(filePath: "\(folder)/config.yml"))
        let log = "\(folder)/log"
        let process = try Spawned(["docker-registry", "serve", "\(folder)/config.yml"], out: log, err: log)
        do {
            try await eventually("the registry to answer") {
                let words = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]
                return try await Command(words + ["http://\(address)/v2/"]).attempt().out == "401" ? true : nil
            }
            try await body()
        } catch {
            await process.stop()
            throw Context(error: error, notes: [(try? String(contentsOfFile: log, encoding: .utf8)) ?? ""])
        }
        await process.stop()
    }
}
