import CausewayModel
import CausewaySockets
import Glibc
import Logging

/// Everything that comes to a loopback address for a published port, on one loop.
final class Relay {
    let loop: EventLoop
    let log: Logger
    /// Room for one piece of a stream, or one datagram; one for all, as one is handled at a time.
    let piece: UnsafeMutableRawBufferPointer
    var counters = RelayCounters()
    private var connections: [ObjectIdentifier: RelayedConnection] = [:]
    private var streams: [CInt: StreamListener] = [:]
    private var datagrams: [CInt: DatagramRelay] = [:]

    struct RelayCounters: Codable {
        var tcp = KeeperCounters.Relay()
        var udp = KeeperCounters.Relay()
    }

    /// With two pieces each, connections take 128 MiB at most.
    ///
    /// Above, callers wait in the kernel's queue.
    static let mostConnections = 4096

    init(loop: EventLoop, log: Logger) {
        self.loop = loop
        self.log = log
        piece = .allocate(byteCount: 65_536, alignment: 16)
    }

    deinit { piece.deallocate() }

    /// Relays what comes to a listener, which stays its owner's to close after ``stop(_:)``.
    func start(_ listener: CInt, _ port: Kept.Port) {
        switch port.port.protocol {
        case .tcp:
            let stream = StreamListener(listener, port, self)
            streams[listener] = stream
            stream.resume()
        case .udp:
            let relay = DatagramRelay(listener, port, self)
            datagrams[listener] = relay
            relay.start()
        case .sctp: break
        }
    }

    /// Takes no more from a listener.
    ///
    /// Connections that are open go on to their end, as they do through the kernel's own translation.
    func stop(_ listener: CInt) {
        loop.ignore(listener)
        streams[listener] = nil
        datagrams.removeValue(forKey: listener)?.stop()
    }

    func endAll() {
        for connection in connections.values { connection.end(reset: true) }
    }

    // MARK: connections

    var hasRoom: Bool { connections.count < Self.mostConnections }

    func add(_ caller: CInt, from peer: SocketName?, _ port: Kept.Port) {
        counters.tcp.accepted += 1
        guard let peer, Self.isAllowed(peer.address, port.scope) else {
            counters.tcp.refused += 1
            Socket.resetOnClose(caller)
            close(caller)
            return
        }
        let connection = RelayedConnection(
            caller, port: port.port.port, targets: RelayTarget.addresses(preferring: peer.address.family), self)
        hold(connection)
        connection.connectNext()
    }

    private func hold(_ connection: RelayedConnection) {
        connections[ObjectIdentifier(connection)] = connection
        counters.tcp.open = UInt64(connections.count)
    }

    func ended(_ connection: RelayedConnection) {
        let wasFull = !hasRoom
        connections[ObjectIdentifier(connection)] = nil
        counters.tcp.open = UInt64(connections.count)
        if wasFull { for stream in streams.values { stream.resume() } }
    }

    /// From no source in particular, or from one that the scope names.
    static func isAllowed(_ address: IPAddress, _ scope: PortScope) -> Bool {
        scope.sources.isEmpty || scope.sources.contains { $0.contains(address) }
    }

    // MARK: from program to program

    struct State: Codable {
        var counters: RelayCounters
        var connections: [RelayedConnection.State]
        var flows: [DatagramRelay.State]

        var descriptors: [CInt] {
            connections.flatMap { [$0.caller] + ($0.service.map { [$0] } ?? []) } + flows.map(\.socket)
        }
    }

    var state: State {
        State(
            counters: counters, connections: connections.values.map(\.state),
            flows: datagrams.values.flatMap(\.states))
    }

    /// After the listeners were started.
    func resume(_ state: State) {
        counters = state.counters
        for old in state.connections {
            let connection = RelayedConnection(
                old.caller, port: old.port, targets: RelayTarget.addresses(preferring: .ip), self)
            hold(connection)
            connection.resume(old)
        }
        for flow in state.flows {
            if let relay = datagrams[flow.listener] { relay.resume(flow) } else { close(flow.socket) }
        }
    }
}

/// Takes connections from one loopback address.
final class StreamListener: EventHandler {
    private let listener: CInt
    private let port: Kept.Port
    private unowned let relay: Relay

    init(_ listener: CInt, _ port: Kept.Port, _ relay: Relay) {
        self.listener = listener
        self.port = port
        self.relay = relay
    }

    func resume() { relay.loop.watch(listener, .readable, self) }

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        do throws(SocketError) {
            // Some at a time: others on the loop have their turn.
            for _ in 0..<64 {
                guard relay.hasRoom else { return relay.loop.ignore(listener) }
                guard let (caller, peer) = try Socket.accept(listener) else { return }
                relay.add(caller, from: peer, port)
            }
        } catch {
            relay.log.error("\(error)", metadata: ["port": "\(port.port)"])
            // No descriptor is free. Asked at once, the kernel would say the same.
            relay.loop.ignore(listener)
            relay.loop.after(100_000_000) { [weak self] in self?.resume() }
        }
    }
}
