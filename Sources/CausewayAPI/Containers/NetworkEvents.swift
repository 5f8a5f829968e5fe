import CausewayModel
import Synchronization

/// A container joined or left a network of ours.
struct NetworkEvent: Hashable, Sendable {
    /// `connect` or `disconnect`.
    var action: String
    var networkID: Swarm.ID
    var networkName: String
    /// Docker Engine's identifier.
    var container: String
    var time: Timestamp

    init(action: String, network: Swarm.Network, container: String, time: Timestamp) {
        self.action = action
        networkID = network.id
        networkName = network.spec.name
        self.container = container
        self.time = time
    }

    var attributes: [String: String] { ["container": container, "name": networkName, "type": "overlay"] }
}

/// Events that Causeway makes itself, for whoever listens, and the last ones for who asks later.
///
/// Also remembers on which networks a container was, because its last event comes when it is gone.
final class NetworkEvents: Sendable {
    private struct State {
        var recent: [NetworkEvent] = []
        var listeners: [Int: AsyncStream<NetworkEvent>.Continuation] = [:]
        var next = 0
        var known: [String: [Swarm.Network]] = [:]
        var order: [String] = []

        mutating func remember(_ roster: Roster, limit: Int) {
            for id in roster.containerIDs {
                guard let member = roster[id] else { continue }
                if known.updateValue(roster.places(member).map(\.network), forKey: id) == nil { order.append(id) }
            }
            guard order.count > 4 * limit + roster.containerIDs.count else { return }
            // The oldest half of those that are gone.
            let gone = Set(order.filter { roster[$0] == nil }.prefix(2 * limit))
            order.removeAll { gone.contains($0) }
            for id in gone { known[id] = nil }
        }
    }

    /// As many as Docker Engine keeps.
    private static let limit = 256
    private let state = Mutex(State())

    func record(_ event: NetworkEvent) {
        state.withLock { state in
            if state.recent.count == Self.limit { state.recent.removeFirst() }
            state.recent.append(event)
            for listener in state.listeners.values { listener.yield(event) }
        }
    }

    /// Those since a moment, if one is given, then those that come.
    ///
    /// One that does not listen loses the oldest.
    func stream(since: Timestamp?) -> AsyncStream<NetworkEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: NetworkEvent.self, bufferingPolicy: .bufferingNewest(1024))
        let number = state.withLock { state in
            if let since { for event in state.recent where event.time >= since { continuation.yield(event) } }
            state.next += 1
            state.listeners[state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [self] _ in _ = state.withLock { $0.listeners.removeValue(forKey: number) } }
        return stream
    }

    /// Keeps in mind that a container is one of ours, with networks that are not known.
    func note(_ container: String) {
        state.withLock { state in
            guard state.known[container] == nil else { return }
            state.known[container] = []
            state.order.append(container)
        }
    }

    /// Keeps in mind on which networks containers are.
    func remember(_ roster: Roster) { state.withLock { $0.remember(roster, limit: Self.limit) } }

    /// The networks of a container: those that it is on, or was on last.
    func networks(of container: String, in roster: Roster) -> [Swarm.Network]? {
        state.withLock { state in
            state.remember(roster, limit: Self.limit)
            return state.known[container]
        }
    }
}
