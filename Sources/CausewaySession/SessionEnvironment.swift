import CausewayModel
import Logging

/// What a session takes from outside: time, chance, and where it says what happens.
package struct SessionEnvironment: Sendable {
    package var now: @Sendable () -> Timestamp
    /// Waits; says `false` when it was cut short because the task was cancelled.
    package var sleep: @Sendable (Nanoseconds) async -> Bool
    /// From 0 to 1: how much of a wait is left to chance, so that not all nodes come at once.
    package var chance: @Sendable () -> Double
    package var logger: Logger

    package init(
        now: @escaping @Sendable () -> Timestamp,
        sleep: @escaping @Sendable (Nanoseconds) async -> Bool = { await Task.pause(for: $0.duration) },
        chance: @escaping @Sendable () -> Double = { Double.random(in: 0...1) },
        logger: Logger
    ) {
        self.now = now
        self.sleep = sleep
        self.chance = chance
        self.logger = logger
    }
}

/// Who is at the other end of a connection, as its certificate says.
package struct SessionPeer: Hashable, Sendable {
    package var nodeID: Swarm.ID
    package var role: Swarm.Node.Role

    package init(nodeID: Swarm.ID, role: Swarm.Node.Role) {
        self.nodeID = nodeID
        self.role = role
    }
}

/// Why a session is over for good: waiting changes nothing.
///
/// Everything else, a manager that is away or that cannot be trusted among it, is tried again.
package enum SessionEnd: Error, Hashable, Sendable, CustomStringConvertible {
    /// The cluster does not know this node any more.
    case removed(String)
    /// The manager does not take this node's certificate: expired, or of another root.
    case certificateRefused(String)

    package var description: String {
        switch self {
        case .removed(let reason):
            "this node is not of the cluster any more: \(reason); leave the swarm and join anew"
        case .certificateRefused(let reason):
            "the manager refuses this node's certificate: \(reason); leave the swarm and join anew"
        }
    }
}

/// How a node's session stands.
package enum SessionState: Hashable, Sendable {
    case connecting(manager: String)
    case connected(manager: String)
    /// Will be tried again.
    case lost(reason: String)
    case ended(SessionEnd)
}

/// How long to wait before the next attempt: twice as long each time, up to a limit, half of it left to chance.
package struct Backoff: Hashable, Sendable {
    package var first: Nanoseconds
    package var longest: Nanoseconds

    package init(first: Nanoseconds = Nanoseconds(250_000_000), longest: Nanoseconds = .seconds(8)) {
        self.first = first
        self.longest = longest
    }

    /// `attempt` counts from 0; `chance` is from 0 to 1.
    package func wait(attempt: Int, chance: Double) -> Nanoseconds {
        let full = min(
            Double(first.rawValue) * Double(UInt64(1) << UInt64(min(max(attempt, 0), 30))), Double(longest.rawValue))
        return Nanoseconds(Int64(full * (0.5 + 0.5 * min(max(chance, 0), 1))))
    }
}

/// `HOST:PORT`: an IPv4 address, an IPv6 address in brackets, or a name; without a port it is 2377.
package struct ManagerAddress: Hashable, Sendable, CustomStringConvertible {
    package static let defaultPort: UInt16 = 2377

    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16 = Self.defaultPort) {
        self.host = host
        self.port = port
    }

    package init?(_ text: String) {
        if let address = IPAddress(text) {
            self.init(host: "\(address)")
            return
        }
        var rest = Substring(text)
        var port: UInt16? = Self.defaultPort
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            port = UInt16(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        if rest.hasPrefix("["), rest.hasSuffix("]") { rest = rest.dropFirst().dropLast() }
        guard let port, port > 0, !rest.isEmpty, !rest.contains("/"), !rest.contains(" ") else { return nil }
        self.init(host: String(rest), port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
