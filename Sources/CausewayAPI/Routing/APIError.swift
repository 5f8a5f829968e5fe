import CausewayEngine
import CausewayModel

/// An answer that refuses: a status, and the sentence that the client prints.
package struct APIError: Error, Hashable, Sendable, CustomStringConvertible {
    package var status: Int
    package var message: String

    package init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ error: SwarmError) {
        let status =
            switch error.reason {
            case .invalid: 400
            case .unauthorized: 401
            case .forbidden: 403
            case .notFound: 404
            case .conflict: 409
            case .outOfSequence, .internal: 500
            case .unsupported: 501
            case .unavailable: 503
            }
        self.init(status, error.message)
    }

    init(_ error: EngineError) { self.init(error.isUnreachable ? 502 : error.status, error.message) }

    package var description: String { message }

    static let pageNotFound = APIError(404, "page not found")

    static let notInSwarm = APIError(
        503,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
            + "swarm and try again.")

    static let worker = APIError(
        503,
        "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this "
            + "command on a manager node or promote the current node to a manager.")

    static let locked = APIError(SwarmError.locked)

    static let alreadyInSwarm = APIError(
        503,
        "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.")
}

/// Asks the manager; its refusals become answers.
func asking<T>(_ work: () async throws(SwarmError) -> T) async throws(APIError) -> T {
    do { return try await work() } catch { throw APIError(error) }
}

/// Asks Docker Engine; its refusals become our answers.
func askingEngine<T>(_ work: () async throws(EngineError) -> T) async throws(APIError) -> T {
    do { return try await work() } catch { throw APIError(error) }
}
