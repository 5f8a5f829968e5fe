import CausewayKernel
import CausewayModel

/// What a user asks: the way to a target, from somewhere, in the words of the command line.
package struct Question: Hashable, Sendable {
    /// A service, `service:port`, `host:port`, a task, a container, or an address with or without a port.
    package var target: String
    /// `nil` for a client outside; `host`, `task:NAME`, or an address.
    package var from: String?
    package var transport: Packet.Transport?
    package var port: UInt16?
    package var family: IPFamily
    /// Which of a name's addresses is taken, from 0, where it has several.
    package var choice: Int

    package init(
        target: String, from: String? = nil, transport: Packet.Transport? = nil, port: UInt16? = nil,
        family: IPFamily = .ip, choice: Int = 0
    ) {
        self.target = target
        self.from = from
        self.transport = transport
        self.port = port
        self.family = family
        self.choice = choice
    }

    /// The packet to send, and where it sets out.
    package struct Answer: Hashable, Sendable {
        package var packet: Packet
        package var entry: PathTracer.Entry
        /// What the name could have stood for as well; empty when it stands for one address alone.
        package var names: [Candidate] = []
    }

    /// The port that clients in the examples have.
    package static let clientPort: UInt16 = 40_000

    /// A client outside that belongs to nobody (RFC 5737, RFC 3849).
    static func documentation(_ family: IPFamily) -> IPAddress {
        family == .ip
            ? .v4(IPv4Address(rawValue: 203 << 24 | 113 << 8 | 9))
            : .v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: 9))
    }
}

extension PathTracer {
    /// Finds the packet that a question is about, from the inventory alone.
    package func resolve(_ question: Question) throws(PathError) -> Question.Answer {
        try Resolver(question, Directory(world)).resolve()
    }
}

/// Names to addresses, for one question.
private struct Resolver {
    let question: Question
    let directory: Directory
    let text: String
    let port: UInt16?

    private var world: World { directory.world }

    init(_ question: Question, _ directory: Directory) throws(PathError) {
        self.question = question
        self.directory = directory
        let (name, port) = try Self.split(question.target)
        text = name
        self.port = port ?? question.port
    }

    /// `name:port`, `[v6]:port`, a bare IPv6 address.
    private static func split(_ target: String) throws(PathError) -> (String, UInt16?) {
        guard !target.isEmpty else { throw .malformed(target, why: "a target is a service, a task or an address") }
        if IPAddress(target) != nil { return (target, nil) }
        guard let colon = target.lastIndex(of: ":") else { return (target, nil) }
        var name = String(target[..<colon])
        let digits = target[target.index(after: colon)...]
        guard let port = UInt16(digits), port > 0 else {
            throw .malformed(target, why: "'\(digits)' is no port; ports are 1 to 65535")
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = String(name.dropFirst().dropLast()) }
        return (name, port)
    }

    func resolve() throws(PathError) -> Question.Answer {
        guard !world.inventory.namespaces.isEmpty else { throw .unknownTarget(text, known: []) }
        let origin = try origin()
        let found = try destination(fromInside: origin)
        let (destination, port) = (found.address, found.port)
        var transport = found.transport
        if let wanted = question.transport { transport = wanted }
        let family = destination.family
        if transport.hasPorts, port == nil { throw .noPort(target: question.target) }
        let source: IPAddress
        let entry: PathTracer.Entry
        switch origin {
        case .namespace(let at):
            source = Walk.unspecified(family)
            entry = .process(namespace: world[at].inode)
        case .outside(let given):
            source = given ?? client(family)
            guard source.family == family else {
                throw .malformed("\(source)", why: "it cannot send to \(destination), which is of the other family")
            }
            entry = .link(namespace: world[world.home].inode, name: try wayIn(source, to: destination))
        }
        if transport == .icmp, family == .ip6 { transport = .icmpv6 }
        let packet = Packet(
            transport, from: source, Question.clientPort, to: destination, port ?? 0)
        return Question.Answer(packet: packet, entry: entry, names: found.names)
    }

    /// A client outside: anybody on the internet, or a neighbour where the host has no way there.
    private func client(_ family: IPFamily) -> IPAddress {
        let anybody = Question.documentation(family)
        let space = world[world.home]
        guard Routing(space).decide(RouteQuery(destination: anybody)).kind == nil else { return anybody }
        let own = directory.address(of: world.home, family)
        let subnet = space.addresses.first { $0.address.address == own }?.address
        guard case .v4(let last)? = subnet?.last else { return anybody }
        // The highest address that nobody here has; the very last one is for all.
        let free = (1..<8).lazy.map { IPAddress.v4(IPv4Address(rawValue: last.rawValue - $0)) }
            .first { address in
                !world.inventory.namespaces.contains { $0.addresses.contains { $0.address.address == address } }
            }
        return free ?? anybody
    }

    private enum Origin: Hashable {
        case outside(IPAddress?)
        case namespace(Int)
    }

    private func origin() throws(PathError) -> Origin {
        guard let from = question.from else { return .outside(nil) }
        if from == "host" { return .namespace(world.home) }
        if let other = world.hosts.first(where: { $0.name == from }) { return .namespace(other.position) }
        if let address = IPAddress(from) { return .outside(address) }
        let name = from.hasPrefix("task:") ? String(from.dropFirst(5)) : from
        guard let at = directory.namespace(named: name) ?? directory.namespaces(of: name).first else {
            throw .unknownOrigin(from, known: directory.tasks)
        }
        return .namespace(at)
    }

    /// The link by which packets from an outside address come in: the one by which the answer would leave.
    private func wayIn(_ source: IPAddress, to destination: IPAddress) throws(PathError) -> String {
        if let link = Routing(world[world.home]).decide(RouteQuery(destination: source)).route?.link, link != "lo" {
            return link
        }
        let candidate =
            world[world.home].addresses.first { $0.address.address == destination && $0.link != "lo" }
            ?? world[world.home].addresses.first { address in
                address.address.family == source.family && !address.address.address.isLoopback
                    && world.link(world.home, named: address.link)?.peerIndex == nil
            }
        guard let link = candidate?.link else { throw .noWayIn(source) }
        return link
    }

    // MARK: destinations

    private struct Found {
        var address: IPAddress
        var port: UInt16?
        var transport: Packet.Transport
        var names: [Candidate] = []

        init(_ address: IPAddress, _ port: UInt16?, _ transport: Packet.Transport) {
            (self.address, self.port, self.transport) = (address, port, transport)
        }
    }

    private func destination(fromInside origin: Origin) throws(PathError) -> Found {
        if let address = IPAddress(text) {
            return Found(address, port, question.transport ?? (port == nil ? ping(address) : .tcp))
        }
        if text == "host" { return try host(port) }
        if let other = world.hosts.first(where: { $0.name == text }) { return try host(port, at: other.position) }
        if text.hasPrefix("tasks."), let found = tasks(of: String(text.dropFirst(6)), origin) { return found }
        if directory.services.contains(text) { return try service(origin) }
        if let at = directory.namespace(named: text) { return try task(at, origin) }
        throw .unknownTarget(text, known: directory.services + directory.tasks)
    }

    private func ping(_ address: IPAddress) -> Packet.Transport { address.family == .ip ? .icmp : .icmpv6 }

    private func host(
        _ port: UInt16?, _ transport: Packet.Transport = .tcp, at position: Int? = nil
    ) throws(PathError) -> Found {
        guard let address = directory.address(of: position ?? world.home, question.family) else {
            throw .noAddress(target: "host", question.family)
        }
        return Found(address, port, question.transport ?? (port == nil ? ping(address) : transport))
    }

    /// A name that stands for each task's own address.
    private func tasks(of service: String, _ origin: Origin) -> Found? {
        guard case .namespace(let at) = origin else { return nil }
        let addresses = directory.taskAddresses(of: service, from: at, question.family)
        guard !addresses.isEmpty else { return nil }
        let chosen = addresses.indices.contains(question.choice) ? question.choice : 0
        let port = port ?? directory.targetPort(of: service) ?? listeningPort(of: service)
        var found = Found(addresses[chosen], port, question.transport ?? .tcp)
        found.names = addresses.enumerated().map { offset, address in
            Candidate(
                target: Packet.endpoint(address, port), owner: world.owner(of: address, at: at)?.name, slots: 1,
                total: addresses.count, isChosen: offset == chosen)
        }
        return found
    }

    private func service(_ origin: Origin) throws(PathError) -> Found {
        let ports = directory.ports(of: text).filter {
            question.transport == nil || $0.transport == question.transport
        }
        if case .namespace(let at) = origin, !world.isHost(at),
            let vip = directory.virtualIP(of: text, question.family, from: at)
        {
            let port =
                port ?? directory.targetPort(of: text) ?? directory.taskPort(of: text, behind: ports)
                ?? listeningPort(of: text)
            return Found(vip, port, question.transport ?? .tcp)
        }
        if case .namespace(let at) = origin, !world.isHost(at), let found = tasks(of: text, origin) { return found }
        if let found = ports.first(where: { port == nil || $0.port == port }) {
            return try host(found.port, found.transport)
        }
        if let port {
            // Not published: the host is asked all the same, so that the answer shows who refuses.
            guard ports.isEmpty, let vip = directory.virtualIP(of: text, question.family) else {
                throw .noPublishedPort(
                    service: text, port: port, known: ports.map { "\($0.port)/\($0.transport.rawValue)" })
            }
            return Found(vip, port, question.transport ?? .tcp)
        }
        guard let vip = directory.virtualIP(of: text, question.family) else {
            throw .noPublishedPort(service: text, port: nil, known: [])
        }
        return Found(vip, listeningPort(of: text), question.transport ?? .tcp)
    }

    private func task(_ at: Int, _ origin: Origin) throws(PathError) -> Found {
        let isOutside = if case .namespace(let from) = origin { world.isHost(from) && port != nil } else { true }
        if isOutside, world.identity(at).task == nil,
            let found = directory.ports(ofNamespace: at).first(where: { port == nil || $0.port == port })
        {
            return try host(found.port, found.transport)
        }
        guard let address = nearest(of: at, to: origin) ?? directory.address(of: at, question.family) else {
            throw .noAddress(target: text, question.family)
        }
        let wanted = port ?? listeningPort(at)
        return Found(address, wanted, question.transport ?? (wanted == nil ? ping(address) : .tcp))
    }

    /// A task has an address on each of its networks: the one that shares most with the asker's own.
    private func nearest(of at: Int, to origin: Origin) -> IPAddress? {
        guard case .namespace(let asker) = origin, !world.isHost(asker) else { return nil }
        func usable(_ position: Int) -> [IPAddress] {
            world[position].addresses.map(\.address.address).filter {
                $0.family == question.family && !$0.isLoopback && $0.v6?.isLinkLocal != true
            }
        }
        let own = usable(asker)
        let ranked = usable(at).map { address in (address, own.map { shared($0, address) }.max() ?? 0) }
        return ranked.max { $0.1 < $1.1 }?.0
    }

    /// How many leading bits two addresses have in common.
    private func shared(_ a: IPAddress, _ b: IPAddress) -> Int {
        var count = 0
        for (x, y) in zip(a.bytes, b.bytes) {
            count += (x ^ y).leadingZeroBitCount
            if x != y { break }
        }
        return count
    }

    private func listeningPort(of service: String) -> UInt16? {
        directory.namespaces(of: service).lazy.compactMap { listeningPort($0) }.first
    }

    /// The first port on which anything but the resolver's listens.
    private func listeningPort(_ at: Int) -> UInt16? {
        world[at].sockets.filter { !$0.address.isLoopback && (question.transport?.number ?? 6) == $0.protocol.number }
            .map(\.port).min()
    }
}
