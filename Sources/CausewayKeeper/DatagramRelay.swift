import CausewayModel
import CausewaySockets
import Glibc
import Logging

/// Datagrams to one loopback address: each caller has a flow, a socket of its own towards the service, so that answers
/// find their way back.
final class DatagramRelay: EventHandler {
    /// One caller's.
    private final class Flow: EventHandler {
        let caller: SocketName
        let socket: CInt
        var lastUse: UInt64
        private unowned let relay: DatagramRelay

        init(_ caller: SocketName, _ socket: CInt, _ lastUse: UInt64, _ relay: DatagramRelay) {
            self.caller = caller
            self.socket = socket
            self.lastUse = lastUse
            self.relay = relay
        }

        func ready(_ descriptor: CInt, _ events: EventLoop.Events) { relay.answer(self) }
    }

    /// What one port may have open; above, the flow that was used least recently goes.
    static let mostFlows = 1024
    /// Nanoseconds without a datagram after which a flow is forgotten: conntrack's time for an answered one is 120 s.
    static let patience: UInt64 = 90_000_000_000
    /// How many datagrams are handled before others on the loop have their turn.
    private static let turn = 32

    private let listener: CInt
    private let port: Kept.Port
    private unowned let relay: Relay
    private var flows: [SocketName: Flow] = [:]
    private var timer: Timers.ID?

    init(_ listener: CInt, _ port: Kept.Port, _ relay: Relay) {
        self.listener = listener
        self.port = port
        self.relay = relay
    }

    func start() {
        relay.loop.watch(listener, .readable, self)
        sweepLater()
    }

    func stop() {
        if let timer { relay.loop.cancel(timer) }
        for flow in flows.values { forget(flow) }
    }

    // MARK: from the caller

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        for _ in 0..<Self.turn {
            let (length, caller) = SocketName.read {
                CInt(
                    truncatingIfNeeded: recvfrom(
                        listener, relay.piece.baseAddress, relay.piece.count, CInt(MSG_DONTWAIT), $0, $1))
            }
            // An error belongs to an earlier answer that a caller did not take.
            guard length >= 0 else {
                if errno == EAGAIN { return }
                continue
            }
            guard let caller else { continue }
            pass(UnsafeRawBufferPointer(rebasing: relay.piece[..<Int(length)]), from: caller)
        }
    }

    private func pass(_ datagram: UnsafeRawBufferPointer, from caller: SocketName) {
        guard Relay.isAllowed(caller.address, port.scope) else {
            relay.counters.udp.refused += 1
            return
        }
        guard let flow = flows[caller] ?? open(caller) else { return }
        flow.lastUse = relay.loop.now
        switch Socket.send(flow.socket, datagram) {
        case .bytes(let count): relay.counters.udp.bytesIn += UInt64(count)
        case .failed(let error) where error == ECONNREFUSED: refused(flow)
        case .wouldBlock, .end, .failed: relay.counters.udp.broken += 1
        }
    }

    private func open(_ caller: SocketName) -> Flow? {
        relay.counters.udp.accepted += 1
        if flows.count >= Self.mostFlows, let oldest = flows.values.min(by: { $0.lastUse < $1.lastUse }) {
            relay.counters.udp.evicted += 1
            forget(oldest)
        }
        guard let target = RelayTarget.addresses(preferring: caller.address.family).first else {
            relay.counters.udp.refused += 1
            return nil
        }
        do throws(SocketError) {
            let socket = try RelayTarget.open(.datagram, target.family)
            let failure = Socket.connect(socket, SocketName(target, port.port.port))
            guard failure == 0 else {
                close(socket)
                throw SocketError(doing: "reach \(SocketName(target, port.port.port))", errno: failure)
            }
            return add(caller, socket)
        } catch {
            relay.counters.udp.broken += 1
            relay.log.error("cannot relay a datagram", metadata: ["error": "\(error)", "port": "\(port.port)"])
            return nil
        }
    }

    private func add(_ caller: SocketName, _ socket: CInt) -> Flow {
        let flow = Flow(caller, socket, relay.loop.now, self)
        flows[caller] = flow
        relay.counters.udp.open += 1
        relay.loop.watch(socket, .readable, flow)
        return flow
    }

    // MARK: from the service

    private func answer(_ flow: Flow) {
        for _ in 0..<Self.turn {
            switch Socket.receive(flow.socket, into: relay.piece) {
            case .bytes(let count): send(count, to: flow)
            // A datagram of no bytes.
            case .end: send(0, to: flow)
            case .wouldBlock: return
            case .failed: return refused(flow)
            }
        }
    }

    private func send(_ count: Int, to flow: Flow) {
        flow.lastUse = relay.loop.now
        relay.counters.udp.bytesOut += UInt64(count)
        let sent = flow.caller.withSocketAddress {
            sendto(listener, relay.piece.baseAddress, count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL), $0, $1)
        }
        if sent < 0 { relay.counters.udp.broken += 1 }
    }

    /// Nobody took the last datagram; the next one asks anew.
    private func refused(_ flow: Flow) {
        relay.counters.udp.refused += 1
        forget(flow)
    }

    private func forget(_ flow: Flow) {
        relay.loop.close(flow.socket)
        if flows.removeValue(forKey: flow.caller) != nil { relay.counters.udp.open -= 1 }
    }

    private func sweepLater() {
        timer = relay.loop.after(Self.patience / 10) { [weak self] in
            guard let self else { return }
            for flow in self.flows.values where self.relay.loop.now - flow.lastUse > Self.patience { self.forget(flow) }
            self.sweepLater()
        }
    }

    // MARK: from program to program

    struct State: Codable {
        var listener: CInt
        var caller: SocketName
        var socket: CInt
    }

    var states: [State] {
        flows.values.map { State(listener: listener, caller: $0.caller, socket: $0.socket) }
    }

    func resume(_ state: State) { _ = add(state.caller, state.socket) }
}
