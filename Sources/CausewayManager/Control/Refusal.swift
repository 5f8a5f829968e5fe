import CausewayModel

/// Docker's sentences for requests that are refused, as clients and test suites know them.
enum Refusal {
    static let notManager = SwarmError(
        .unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node "
            + "to swarm and try again.")

    static let alreadyActive = SwarmError(
        .unavailable,
        "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.")

    static let notActive = SwarmError(.unavailable, "This node is not part of a swarm")

    static let lastManager = SwarmError(
        .unavailable,
        "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last "
            + "manager erases all current state of the swarm. Use `--force` to ignore this message. ")

    static func invalid(_ why: String) -> SwarmError {
        SwarmError(.invalid, "rpc error: code = InvalidArgument desc = \(why)")
    }

    static func precondition(_ why: String) -> SwarmError {
        SwarmError(.invalid, "rpc error: code = FailedPrecondition desc = \(why)")
    }

    static func unimplemented(_ why: String) -> SwarmError {
        SwarmError(.unsupported, "rpc error: code = Unimplemented desc = \(why)")
    }

    static func notFound(_ kind: String, _ id: String) -> SwarmError {
        SwarmError(.notFound, "\(kind) \(id) not found")
    }

    static func unsupported(_ what: String, _ remedy: String) -> SwarmError {
        SwarmError(.unsupported, "\(what) is not supported by causeway: \(remedy)")
    }
}
