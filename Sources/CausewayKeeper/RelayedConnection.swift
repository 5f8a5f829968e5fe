import CausewayModel
import CausewaySockets
import Glibc
import Logging

/// One TCP connection to a loopback address, and the one to the service that belongs to it.
///
/// Each side is read only when all that was read of it before was taken by the other: a slow reader slows its
/// writer, and no more than one piece for each direction is in memory. Each side's end is passed on by itself, a reset
/// to both.
final class RelayedConnection: EventHandler {
    /// The size of one piece, in bytes.
    static let pieceSize = 16 << 10

    private enum Phase {
        case connecting
        case relaying
        case closed
    }

    /// One direction: what was read and not yet taken, and how far the end has come.
    private struct Flow {
        var pending: ArraySlice<UInt8> = []
        var isEnded = false
        var isEndPassedOn = false
    }

    let caller: CInt
    let port: UInt16
    private let relay: Relay
    private var service: CInt = -1
    private var targets: ArraySlice<IPAddress>
    private var phase = Phase.connecting
    private var toService = Flow()
    private var toCaller = Flow()
    private var timer: Timers.ID?

    /// Nanoseconds that a connection to a service may take.
    private static let patience: UInt64 = 10_000_000_000

    init(_ caller: CInt, port: UInt16, targets: [IPAddress], _ relay: Relay) {
        self.caller = caller
        self.port = port
        self.targets = targets[...]
        self.relay = relay
    }

    // MARK: connecting

    /// Tries the next target; a task may listen for one family only.
    func connectNext() {
        closeService()
        guard let target = targets.popFirst() else {
            relay.counters.tcp.refused += 1
            return end(reset: true)
        }
        do throws(SocketError) {
            service = try RelayTarget.open(.stream, target.family)
        } catch {
            relay.log.error("cannot relay a connection", metadata: ["error": "\(error)"])
            return end(reset: true)
        }
        let failure = Socket.connect(service, SocketName(target, port))
        guard failure == 0 || failure == EINPROGRESS else { return connectNext() }
        relay.loop.watch(service, .writable, self)
        timer = relay.loop.after(Self.patience) { [weak self] in self?.connectNext() }
    }

    private func connected() {
        guard Socket.takeError(service) == 0 else { return connectNext() }
        phase = .relaying
        cancelTimer()
        for socket in [caller, service] { Socket.set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        // A node that is lost says nothing.
        Socket.set(service, SOL_SOCKET, SO_KEEPALIVE, 1)
        update()
    }

    // MARK: relaying

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        switch phase {
        case .connecting: connected()
        case .relaying:
            if descriptor == caller {
                if events.contains(.readable) { pass(from: caller, to: service, \.toService, \.bytesIn) }
                if events.contains(.writable) { flush(\.toCaller, to: caller, \.bytesOut) }
            } else {
                if events.contains(.readable) { pass(from: service, to: caller, \.toCaller, \.bytesOut) }
                if events.contains(.writable) { flush(\.toService, to: service, \.bytesIn) }
            }
            update()
        case .closed: break
        }
    }

    private typealias Count = WritableKeyPath<KeeperCounters.Relay, UInt64>
    private typealias Way = ReferenceWritableKeyPath<RelayedConnection, Flow>

    private func pass(from: CInt, to: CInt, _ way: Way, _ count: Count) {
        guard phase == .relaying, self[keyPath: way].pending.isEmpty, !self[keyPath: way].isEnded else { return }
        let piece = relay.piece
        switch Socket.receive(from, into: piece) {
        case .bytes(let length):
            let bytes = UnsafeRawBufferPointer(rebasing: piece[..<length])
            switch Socket.send(to, bytes) {
            case .bytes(let sent):
                relay.counters.tcp[keyPath: count] += UInt64(sent)
                if sent < length { self[keyPath: way].pending = Array(bytes[sent...])[...] }
            case .wouldBlock: self[keyPath: way].pending = Array(bytes)[...]
            case .end, .failed: broken()
            }
        case .end: self[keyPath: way].isEnded = true
        case .wouldBlock: break
        case .failed: broken()
        }
    }

    private func flush(_ way: Way, to: CInt, _ count: Count) {
        guard phase == .relaying, !self[keyPath: way].pending.isEmpty else { return }
        switch self[keyPath: way].pending.withUnsafeBytes({ Socket.send(to, $0) }) {
        case .bytes(let sent):
            relay.counters.tcp[keyPath: count] += UInt64(sent)
            self[keyPath: way].pending.removeFirst(sent)
            if self[keyPath: way].pending.isEmpty { self[keyPath: way].pending = [] }
        case .wouldBlock: break
        case .end, .failed: broken()
        }
    }

    /// Passes ends on, and asks the loop for what can go on.
    private func update() {
        guard phase == .relaying else { return }
        passEnd(\.toService, to: service)
        passEnd(\.toCaller, to: caller)
        if toService.isEndPassedOn, toCaller.isEndPassedOn { return end(reset: false) }
        relay.loop.watch(caller, Self.events(reading: toService, writing: toCaller), self)
        relay.loop.watch(service, Self.events(reading: toCaller, writing: toService), self)
    }

    private func passEnd(_ way: Way, to: CInt) {
        guard self[keyPath: way].isEnded, self[keyPath: way].pending.isEmpty, !self[keyPath: way].isEndPassedOn
        else { return }
        shutdown(to, Int32(SHUT_WR))
        self[keyPath: way].isEndPassedOn = true
    }

    private static func events(reading: Flow, writing: Flow) -> EventLoop.Events {
        var events: EventLoop.Events = []
        if !reading.isEnded, reading.pending.isEmpty { events.insert(.readable) }
        if !writing.pending.isEmpty { events.insert(.writable) }
        return events
    }

    private func broken() {
        relay.counters.tcp.broken += 1
        end(reset: true)
    }

    /// Closes both sides.
    func end(reset: Bool) {
        guard phase != .closed else { return }
        phase = .closed
        cancelTimer()
        if reset {
            Socket.resetOnClose(caller)
            if service >= 0 { Socket.resetOnClose(service) }
        }
        closeService()
        relay.loop.close(caller)
        relay.ended(self)
    }

    private func closeService() {
        cancelTimer()
        guard service >= 0 else { return }
        relay.loop.close(service)
        service = -1
    }

    private func cancelTimer() {
        if let timer { relay.loop.cancel(timer) }
        timer = nil
    }
}

// MARK: - from program to program

extension RelayedConnection {
    /// What another program has to know to go on; a connection to the service that was not there yet is made anew.
    struct State: Codable {
        var caller: CInt
        var service: CInt?
        var port: UInt16
        var toService: [UInt8]
        var toCaller: [UInt8]
        /// The caller's end was read; the service's was.
        var ends: [Bool]
        var passedOn: [Bool]
    }

    var state: State {
        State(
            caller: caller, service: phase == .relaying ? service : nil, port: port,
            toService: Array(toService.pending), toCaller: Array(toCaller.pending),
            ends: [toService.isEnded, toCaller.isEnded],
            passedOn: [toService.isEndPassedOn, toCaller.isEndPassedOn])
    }

    func resume(_ state: State) {
        guard let old = state.service, state.ends.count == 2, state.passedOn.count == 2 else { return connectNext() }
        service = old
        phase = .relaying
        toService = Flow(pending: state.toService[...], isEnded: state.ends[0], isEndPassedOn: state.passedOn[0])
        toCaller = Flow(pending: state.toCaller[...], isEnded: state.ends[1], isEndPassedOn: state.passedOn[1])
        update()
    }
}
