import CausewayKernel
import CausewayModel

/// The last step: the input hook, and the socket that takes the packet.
extension Walk {
    mutating func deliver(_ at: Int, _ link: String) -> Outcome {
        if let outcome = call(.input, at, HookLinks(incoming: link)) { return outcome }
        if let carried { return decapsulate(at, carried) }
        if let quoted { return deliverError(at, about: quoted) }
        if let question { return deliverAnswer(at, to: question) }
        guard packet.transport.hasPorts else { return answerEcho(at) }
        guard let socket = socket(at) else { return closed(at) }
        let process = socket.processName ?? "a process that could not be read"
        let who = socket.processID.map { "\(process) (pid \($0))" } ?? process
        let text = "\(who) listens on \(Packet.endpoint(socket.address, socket.port))"
        add(at, Stage(.socket, process), text)
        var verdict = Verdict(.delivered, world.place(at), text)
        verdict.processID = socket.processID
        verdict.processName = socket.processName
        return .end(verdict)
    }

    private mutating func deliverAnswer(_ at: Int, to question: Packet) -> Outcome {
        guard packet.answers(question) else {
            return drop(
                at, "the answer is \(packet.header), but \(question.sourceText) waits for \(question.destinationText)",
                .noSocket)
        }
        let text = "the socket that asked, \(packet.destinationText)"
        add(at, Stage(.socket, "process"), "gets the answer on \(packet.destinationText)")
        return .end(Verdict(.delivered, world.place(at), text))
    }

    private mutating func answerEcho(_ at: Int) -> Outcome {
        let ignores = world.sysctl(
            at, packet.family == .ip ? "net.ipv4.icmp_echo_ignore_all" : "net.ipv6.icmp.echo_ignore_all")
        guard ignores ?? 0 == 0 else { return drop(at, "the kernel is told to ignore echo requests", nil) }
        add(at, Stage(.socket, "kernel"), "answers the echo request")
        return .end(Verdict(.delivered, world.place(at), "the kernel answers the echo request"))
    }

    private mutating func closed(_ at: Int) -> Outcome {
        let answer =
            packet.transport == .tcp
            ? "tcp reset" : packet.family == .ip ? "icmp port-unreachable" : "icmpv6 port-unreachable"
        let text = "nothing listens on \(packet.destinationText) (\(packet.transport.rawValue))"
        add(at, Stage(.socket, "closed port"), "(\(text))")
        return refuse(at, text, answer, .noSocket)
    }

    /// The socket that takes the packet: the one on the address itself before one on any address.
    private func socket(_ at: Int) -> NamespaceState.Socket? {
        world[at].sockets.filter { takes($0) }.max { rank($0) < rank($1) }
    }

    private func takes(_ socket: NamespaceState.Socket) -> Bool {
        guard socket.protocol.number == packet.transport.number, socket.port == packet.destinationPort else {
            return false
        }
        if socket.address == packet.destination { return true }
        guard socket.address == Self.unspecified(socket.address.family) else {
            return isMapped(socket.address)
        }
        return socket.address.family == packet.family || (packet.family == .ip && !socket.isV6Only)
    }

    /// `::ffff:192.0.2.1`: an IPv4 address on an IPv6 socket.
    private func isMapped(_ address: IPAddress) -> Bool {
        guard case .v6(let own) = address, case .v4(let wanted) = packet.destination else { return false }
        return own.high == 0 && own.low == 0xffff << 32 | UInt64(wanted.rawValue)
    }

    private func rank(_ socket: NamespaceState.Socket) -> Int {
        (socket.address == Self.unspecified(socket.address.family) ? 0 : 2)
            + (socket.address.family == packet.family ? 1 : 0)
    }
}

extension Packet {
    /// Whether the one who sent `question` takes this packet for the answer.
    func answers(_ question: Packet) -> Bool { tuple == question.tuple.inverted }
}
