import CausewayModel
import Foundation

/// What the session itself asks of a node; other kinds are the node's to answer.
enum SessionQuestion {
    /// To get its next certificate now, and to come back with it.
    static let renewCertificate = "session.renew-certificate"
}

/// What a manager answers to nodes, beyond their assignments.
package protocol SessionRequests: Sendable {
    /// Who may ask for what; `nil`: nobody knows such a question.
    func roles(mayAsk kind: String) -> Set<Swarm.Node.Role>?

    /// Is asked only what ``roles(mayAsk:)`` allows; who asks is what its certificate says.
    func ask(_ peer: SessionPeer, kind: String, body: Data) async throws(SwarmError) -> Data
}

/// Answers nothing.
package struct NoSessionRequests: SessionRequests {
    package init() {}

    package func roles(mayAsk kind: String) -> Set<Swarm.Node.Role>? { nil }

    package func ask(_ peer: SessionPeer, kind: String, body: Data) async throws(SwarmError) -> Data {
        throw SwarmError(.unsupported, "this manager answers no question of kind \"\(kind)\"")
    }
}
