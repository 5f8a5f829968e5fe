import CausewayLinux
import Foundation

/// A socket of Docker's API, asked through the `docker` command line, as its user would.
struct LabDocker {
    let socket: String

    init(_ socket: String) { self.socket = socket }

    @discardableResult
    func callAsFunction(_ words: String...) throws(Failure) -> String { try run(words) }

    /// `input` is what it reads: an answer to a question that it asks.
    @discardableResult
    func run(_ words: [String], input: String? = nil) throws(Failure) -> String {
        let shown = "docker \(words.joined(separator: " "))"
        let output: Command.Output
        do {
            // It looks for its configuration in the home folder; nothing there is wanted.
            output = try Command(
                ["docker", "--host", "unix://\(socket)"] + words, environment: ["DOCKER_CONFIG": "/nonexistent"],
                input: input
            ).run()
        } catch {
            throw Failure(what: "cannot run '\(shown)'", cause: "\(error)", remedy: "")
        }
        guard output.status == 0 else {
            throw Failure(
                what: "'\(shown)' failed",
                cause: output.errors.trimmingCharacters(in: .whitespacesAndNewlines), remedy: "")
        }
        return output.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

extension LabDocker {
    /// Refuses an engine that is not there, or does not know `causeway-oci`.
    func checkEngine(ociPath: String) throws(Failure) {
        let runtimes: String
        do throws(Failure) {
            runtimes = try self("info", "--format", "{{json .Runtimes}}")
        } catch {
            throw Failure(
                what: "a lab needs a Docker Engine, and none answers at \(socket)", cause: error.cause,
                remedy: "start it, or name its socket with --engine-socket")
        }
        let known: [String: RuntimeEntry]? = try? JSONDecoder().decode(
            [String: RuntimeEntry].self, from: Data(runtimes.utf8))
        guard known?["causeway"] == nil else { return }
        throw Failure(
            what: "the Docker Engine at \(socket) does not know the OCI runtime 'causeway'",
            cause: "it knows \((known ?? [:]).keys.sorted().joined(separator: ", "))",
            remedy: "run scripts/install, or add {\"runtimes\": {\"causeway\": {\"path\": \"\(ociPath)\"}}} to "
                + "/etc/docker/daemon.json and send dockerd a SIGHUP")
    }

    private struct RuntimeEntry: Decodable {}
}
