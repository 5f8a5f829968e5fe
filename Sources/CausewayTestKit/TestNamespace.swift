import CausewayKernel
import CausewayLinux
import Foundation
import Glibc

/// A network namespace for one test, with a name of its own; gone with this value at the latest.
package final class TestNamespace: Sendable {
    /// Whether tests may make namespaces: root, and asked to.
    package static var isAllowed: Bool {
        ProcessInfo.processInfo.environment["CAUSEWAY_NETNS"] == "1" && geteuid() == 0
    }

    package static let whyNot = "makes network namespaces: set CAUSEWAY_NETNS=1 and run as root"

    package let name: String
    package let namespace: NetworkNamespace

    /// Makes a namespace `PREFIX-RANDOM`, lo up.
    package init(_ prefix: String = "cwtest") async throws {
        name = "\(prefix)-\(String(UInt32.random(in: 0 ... .max), radix: 36))"
        namespace = try await NetworkNamespace.create(name: name)
        try await run("ip", "link", "set", "lo", "up")
    }

    deinit {
        // Deleting twice is a mistake only when it is asked for.
        try? NetworkNamespace.delete(name: name)
    }

    package func close() throws(KernelError) { try NetworkNamespace.delete(name: name) }

    /// What a command said when it failed.
    package struct CommandFailed: Error, CustomStringConvertible {
        package var description: String

        package init(description: String) { self.description = description }
    }

    /// Runs a program in the namespace, and returns what it wrote.
    ///
    /// Throws with its complaints when it fails.
    @discardableResult
    package func run(_ arguments: String...) async throws -> String {
        let output = try await outcome(arguments)
        guard output.status == 0 else {
            throw CommandFailed(
                description:
                    "'\(arguments.joined(separator: " "))' in \(name): status \(output.status): \(output.errors)")
        }
        return output.output
    }

    /// Runs a script of sh(1) in the namespace.
    @discardableResult
    package func shell(_ script: String) async throws -> String { try await run("sh", "-ec", script) }

    /// Runs a program in the namespace, whatever becomes of it.
    package func outcome(_ arguments: [String]) async throws -> Command.Output {
        try await namespace.perform { try Command(arguments).run() }
    }
}
