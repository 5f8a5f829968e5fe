import CausewayModel
import CausewayStore

/// Makes `docker events` lines of what a transaction changed.
package enum SwarmEvents {
    /// The event of a change; `nil` for objects that have none.
    package static func event(_ change: StoreChange, at time: Timestamp) -> SwarmEvent? {
        let action: SwarmEvent.Action = change.before == nil ? .create : change.after == nil ? .remove : .update
        guard let object = change.after ?? change.before else { return nil }
        func event(_ kind: SwarmEvent.Kind, _ attributes: [String: String]) -> SwarmEvent {
            SwarmEvent(kind: kind, action: action, id: change.id, attributes: attributes, time: time)
        }
        switch object {
        case .network(let network):
            return event(.network, ["name": network.spec.name])
        case .service(let service):
            var before: Swarm.Service?
            if case .service(let old) = change.before { before = old }
            return event(.service, attributes(service, before: action == .update ? before : nil))
        case .node(let node):
            var before: Swarm.Node?
            if case .node(let old) = change.before { before = old }
            return event(.node, attributes(node, before: action == .update ? before : nil))
        case .dependency(let dependency):
            return event(dependency.kind == .secret ? .secret : .config, ["name": dependency.name])
        case .cluster, .task, .container:
            return nil
        }
    }

    private static func attributes(_ service: Swarm.Service, before: Swarm.Service?) -> [String: String] {
        var result = ["name": service.spec.name]
        guard let before else { return result }
        if case .replicated(let old) = before.spec.mode, case .replicated(let new) = service.spec.mode {
            add("replicas", "\(old)", "\(new)", to: &result)
        }
        add(
            "image", before.spec.taskTemplate.containerSpec?.image ?? "",
            service.spec.taskTemplate.containerSpec?.image ?? "", to: &result)
        // A status that is taken away is no news: the next update is told when it begins.
        if let state = service.updateStatus?.state {
            add("updatestate", before.updateStatus?.state ?? "", state, to: &result)
        }
        return result
    }

    private static func attributes(_ node: Swarm.Node, before: Swarm.Node?) -> [String: String] {
        let name = node.spec.name.flatMap { $0.isEmpty ? nil : $0 } ?? node.description.hostname
        var result = ["name": name]
        guard let before else { return result }
        add("state", before.state.rawValue, node.state.rawValue, to: &result)
        add("availability", before.spec.availability.rawValue, node.spec.availability.rawValue, to: &result)
        add("role", before.spec.role.rawValue, node.spec.role.rawValue, to: &result)
        add("leader", "\(before.isLeader)", "\(node.isLeader)", to: &result)
        return result
    }

    private static func add(_ name: String, _ old: String, _ new: String, to result: inout [String: String]) {
        guard old != new else { return }
        if !old.isEmpty { result["\(name).old"] = old }
        if !new.isEmpty { result["\(name).new"] = new }
    }
}

/// The last events, for those who ask for the past.
package struct EventJournal: Hashable, Sendable {
    package static let capacity = 256
    private var events: [SwarmEvent] = []

    package init() {}

    package mutating func add(_ event: SwarmEvent) {
        events.append(event)
        if events.count > Self.capacity { events.removeFirst(events.count - Self.capacity) }
    }

    /// The kept events of `start` and later.
    package func events(since start: Timestamp) -> [SwarmEvent] { events.filter { $0.time >= start } }
}

extension SwarmManager {
    package func events(since: Timestamp?) async -> AsyncStream<SwarmEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: SwarmEvent.self, bufferingPolicy: .bufferingNewest(1024))
        let number = nextListener
        nextListener += 1
        listeners[number] = continuation
        continuation.onTermination = { _ in
            Task { await self.dropListener(number) }
        }
        if let since {
            for event in journal.events(since: since) { continuation.yield(event) }
        }
        return stream
    }

    /// Keeps and sends the events of a committed transaction.
    func announce(_ changes: [StoreChange]) {
        let now = environment.now()
        for event in changes.compactMap({ SwarmEvents.event($0, at: now) }) {
            journal.add(event)
            for number in listeners.keys.sorted() { listeners[number]?.yield(event) }
        }
    }

    private func dropListener(_ number: Int) { listeners[number] = nil }
}
