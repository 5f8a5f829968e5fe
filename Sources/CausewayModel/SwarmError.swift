/// Why a request was refused, in words for the one who made it.
package struct SwarmError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of refusal: decides the HTTP status.
    package enum Reason: Hashable, Sendable {
        /// 400
        case invalid
        /// 401
        case unauthorized
        /// 403
        case forbidden
        /// 404
        case notFound
        /// 409
        case conflict
        /// 500: the version that the client read is not the newest any more.
        case outOfSequence
        /// 501
        case unsupported
        /// 503: this node is not a manager, or already in a swarm.
        case unavailable
        /// 500
        case `internal`
    }

    package var reason: Reason
    package var message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    package var description: String { message }

    /// The error that docker-py and the CLI know by its last words.
    package static let outOfSequence = SwarmError(
        .outOfSequence, "rpc error: code = Unknown desc = update out of sequence")
}
