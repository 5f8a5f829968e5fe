import CLinux
import CausewayModel
import Glibc

/// What a prober's thread does: asks all peers at once, hears who answers until the round is over, and says it.
struct ProbeLoop {
    /// RFC 863; whoever listens on it there is an answer as well.
    private static let closedPort: UInt16 = 9
    /// A connection is given up before the kernel sends its first packet a second time.
    private static let patience: UInt64 = 950_000_000

    private struct Connection {
        var descriptor: CInt
        var peer: Swarm.ID
        var deadline: UInt64
    }

    private let device: String
    private let door: ProbeDoor
    private var echoes: EchoSocket
    private var boundTo: UInt32 = 0
    private var connections: [Connection] = []

    init(device: String, echoes: EchoSocket, door: ProbeDoor) {
        self.device = device
        self.echoes = echoes
        self.door = door
    }

    mutating func run() {
        while case .round(let probes, let period, let caller) = door.take() {
            caller.resume(returning: round(probes, period))
        }
        for connection in connections { close(connection.descriptor) }
        close(echoes.descriptor)
    }

    private mutating func round(_ probes: [PeerProbe], _ period: Duration) -> ProbeRound {
        let end = Self.clock() + UInt64(period / .nanoseconds(1))
        if let index = link()?.index, index == boundTo || echoes.bind(to: device) {
            boundTo = index
            for probe in probes { ask(probe) }
        }
        var heard: [Swarm.ID: ProbeRound.Answers] = [:]
        let peers = Dictionary(probes.compactMap { probe in probe.address.v4.map { ($0, probe.peer) } }) { first, _ in
            first
        }
        repeat { hear(until: end, from: peers, &heard) } while Self.clock() < end
        return ProbeRound(link: link(), answers: heard)
    }

    private func link() -> ProbeRound.Link? {
        var link = clinux_link()
        guard clinux_read_link(echoes.descriptor, device, &link) == 0 else { return nil }
        return ProbeRound.Link(index: link.index, mtu: link.mtu, isOffloadOn: link.checksum_offload != 0)
    }

    // MARK: asking

    private mutating func ask(_ probe: PeerProbe) {
        guard let address = probe.address.v4 else { return }
        switch probe.question {
        case .echo(let size): echoes.send(to: address, size: size)
        case .connect: connect(to: address, of: probe.peer)
        }
    }

    /// Not being able to is not being answered.
    private mutating func connect(to address: IPv4Address, of peer: Swarm.ID) {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_INET, type, 0)
        guard descriptor >= 0 else { return }
        // Whatever is open there by mistake is left by a reset, and no state stays behind.
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
        guard EchoSocket.bind(descriptor, to: device),
            address.withSocketAddress(port: Self.closedPort, { Glibc.connect(descriptor, $0, $1) }) != 0,
            errno == EINPROGRESS
        else {
            close(descriptor)
            return
        }
        connections.append(
            Connection(descriptor: descriptor, peer: peer, deadline: Self.clock() + Self.patience))
    }

    // MARK: hearing

    /// Waits for answers once, and reads all that are there.
    private mutating func hear(
        until end: UInt64, from peers: [IPv4Address: Swarm.ID], _ heard: inout [Swarm.ID: ProbeRound.Answers]
    ) {
        var polled = [pollfd(fd: echoes.descriptor, events: Int16(POLLIN), revents: 0)]
        polled += connections.map { pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0) }
        let now = Self.clock()
        let rest = end > now ? (end - now + 999_999) / 1_000_000 : 0
        // An interrupted wait is a short one.
        guard poll(&polled, nfds_t(polled.count), CInt(clamping: rest)) >= 0 else { return }
        while let reply = echoes.receive() {
            guard let peer = peers[reply.address] else { continue }
            heard[peer, default: .init()].sizes.insert(reply.size)
        }
        var waiting: [Connection] = []
        for (connection, state) in zip(connections, polled.dropFirst()) {
            if state.revents != 0 {
                if Self.isAnswered(connection.descriptor) {
                    heard[connection.peer, default: .init()].isConnectAnswered = true
                }
            } else if connection.deadline > Self.clock() {
                waiting.append(connection)
                continue
            }
            close(connection.descriptor)
        }
        connections = waiting
    }

    /// A refusal and a connection come from the peer; anything else may come from ourselves.
    private static func isAnswered(_ descriptor: CInt) -> Bool {
        var error: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 else { return false }
        return error == 0 || error == ECONNREFUSED
    }

    private static func clock() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
