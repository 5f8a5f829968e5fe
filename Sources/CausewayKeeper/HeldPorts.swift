import CausewayModel
import CausewaySockets

/// The published ports that a keeper holds, and what is relayed for them.
final class HeldPorts {
    let relay: Relay
    private(set) var all: [Kept.Port: HeldPort] = [:]

    init(_ relay: Relay) { self.relay = relay }

    /// Holds a port and relays it; one that is held already stays as it is.
    func open(_ port: Kept.Port) throws(SocketError) {
        guard all[port] == nil else { return }
        let held = try HeldPort.open(port)
        all[port] = held
        for listener in held.listeners { relay.start(listener, port) }
    }

    func close(_ port: Kept.Port) {
        guard let held = all.removeValue(forKey: port) else { return }
        for listener in held.listeners { relay.stop(listener) }
        held.close()
    }

    func closeAll(except wanted: Set<Kept.Port>) {
        for port in all.keys where !wanted.contains(port) { close(port) }
    }

    /// Goes on where another program stopped.
    func resume(_ entries: [Handover.Port], _ state: Relay.State) {
        for entry in entries {
            all[entry.port] = entry.held
            for listener in entry.held.listeners { relay.start(listener, entry.port) }
        }
        relay.resume(state)
    }
}
