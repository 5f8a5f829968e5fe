import CausewayLinux
import CausewayTestKit

/// Namespaces of a test's own, by name, in which scripts can be run.
protocol NamespaceBed: Sendable {
    var spaces: [String: NetworkNamespace] { get }
}

extension NamespaceBed {
    func space(_ name: String) -> NetworkNamespace { spaces[name] ?? .host }

    /// Runs a script of sh(1) in a namespace; throws with its complaints when it fails.
    @discardableResult
    func shell(_ name: String, _ script: String) async throws -> String {
        let output = try await space(name).perform { try Command(["sh", "-ec", script]).run() }
        guard output.status == 0 else {
            throw TestNamespace.CommandFailed(description: "in \(name): \(script): \(output.errors)")
        }
        return output.output
    }
}
