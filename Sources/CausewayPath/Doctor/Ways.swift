import CausewayKernel
import CausewayModel

/// The walks of a checkup: each published port from outside, candidate by candidate; each virtual address from a task;
/// each task to the outside; each task to its name server.
///
/// Taken once, because several checks read them.
struct Ways: Sendable {
    enum Kind: Hashable, Sendable { case published, virtual, outward, names }

    /// A packet that should arrive.
    struct Way: Sendable {
        var kind: Kind
        /// `8080/tcp of service web`.
        var what: String
        /// The host, or the task, that is asked about.
        var position: Int
        var trace: Trace
        var arrives: Bool
        /// Of several candidates that the balancer may choose: this one, counted from 1.
        var candidate: Int?
        var service: String?

        /// The direction in which it ends badly.
        var badLeg: Trace.Leg {
            if let reply = trace.reply, trace.outward.verdict.outcome == .delivered { return reply }
            return trace.outward
        }

        var isCertain: Bool { badLeg.verdict.uncertain.isEmpty }
    }

    private(set) var all: [Way] = []
    /// By host: what can be reached of it from outside.
    private(set) var exposures: [Int: Exposure] = [:]
    private let world: World

    init(_ inventories: [Inventory], _ world: World) {
        self.world = world
        for host in world.hosts {
            guard let own = inventories.first(where: { $0.hostname == host.name }),
                let survey = try? ExposureSurvey(own)
            else { continue }
            let seen = world.seen(from: host.position)
            let exposure = survey.run()
            exposures[host.position] = exposure
            var walker = WayWalker(seen, host.position, survey, exposure)
            walker.walk()
            all += walker.ways
        }
    }

    func failing(_ kind: Kind) -> [Way] { all.filter { $0.kind == kind && !$0.arrives } }
}

/// Walks for one host.
private struct WayWalker {
    let world: World
    let host: Int
    let survey: ExposureSurvey
    let exposure: Exposure
    let tracer: PathTracer
    let directory: Directory
    private(set) var ways: [Ways.Way] = []

    init(_ world: World, _ host: Int, _ survey: ExposureSurvey, _ exposure: Exposure) {
        self.world = world
        self.host = host
        self.survey = survey
        self.exposure = exposure
        tracer = PathTracer(world)
        directory = Directory(world)
    }

    mutating func walk() {
        for port in directory.published { walk(port) }
        for vip in directory.virtualIPs where !vip.targets.isEmpty || isSwarms(vip) { walk(vip) }
        for position in world.inventory.namespaces.indices where isTask(position) {
            walkOutward(position)
            walkToNames(position)
        }
    }

    /// Of a Docker Swarm's, whose balancers hold what it leads to: a service that has tasks here.
    private func isSwarms(_ vip: Directory.VirtualIP) -> Bool {
        vip.service.map { !directory.namespaces(of: $0).isEmpty } ?? false
            && !world[host].tables.contains { $0.name == KernelState.tableName }
    }

    private func isTask(_ position: Int) -> Bool {
        !world.isHost(position) && world.host(of: position) == host && world.identity(position).name != nil
    }

    // MARK: published ports

    private mutating func walk(_ port: Directory.PublishedPort) {
        // Causeway's port without a task is the business of another check; Swarm's leads to a balancer in any case.
        let families = isPromised(port) ? [.ip] : Set(port.targets.map(\.address.family))
        for family in families.sorted(by: { $0.rawValue < $1.rawValue }) {
            guard let (client, address, link) = caller(port, family) else { continue }
            let packet = Packet(port.transport, from: client, Question.clientPort, to: address, port.port)
            let whose = port.service ?? port.targets.compactMap { world.owner(of: $0.address, at: host)?.service }.first
            let what = "\(port.port)/\(port.transport.rawValue)" + (whose.map { " of service \($0)" } ?? "")
            walkAll(.published, what, packet, .link(namespace: world[host].inode, name: link), host, whose)
        }
    }

    /// Published through Docker Swarm's mesh, and nowhere in the kernel.
    private func isPromised(_ port: Directory.PublishedPort) -> Bool {
        let services = world.engines.services
        return port.targets.isEmpty && !world[host].tables.contains { $0.name == KernelState.tableName }
            && services.contains { service in
                service.ports.contains {
                    $0.mode == "ingress" && $0.published == port.port
                        && $0.protocol.rawValue == port.transport.rawValue
                }
            }
    }

    /// Somebody outside who gets through, if there is one; else anybody.
    private func caller(
        _ port: Directory.PublishedPort, _ family: IPFamily
    ) -> (client: IPAddress, address: IPAddress, link: String)? {
        let openings = exposure.openings.filter { one in
            one.transport == port.transport && one.firstPort <= port.port && port.port <= one.lastPort
                && one.address.family == family && world.holds(host, one.address)
        }
        // At an address of an outside link, where there is one: bridges have addresses, too.
        let outside = Set(world[host].addresses.filter { survey.links.contains($0.link) }.map(\.address.address))
        let opening = openings.first { outside.contains($0.address) } ?? openings.first
        if let opening, let source = opening.from.first, let client = Self.someone(in: source) {
            return (client, opening.address, source.link)
        }
        guard let address = directory.address(of: host, family) else { return nil }
        let client = Question.documentation(family)
        let route = Routing(world[host]).decide(RouteQuery(destination: client)).route
        let usual = world[host].addresses.first { $0.address.address == address }?.link
        guard let link = route.flatMap({ $0.kind == .unicast ? $0.link : nil }) ?? usual else { return nil }
        return (client, address, link)
    }

    private static func someone(in sources: Exposure.Sources) -> IPAddress? {
        let usual = Question.documentation(sources.prefix.family)
        let near = ReversePathCheck.neighbor(of: sources.prefix.network)
        let known = [usual] + (near.map { [$0] } ?? []) + [sources.prefix.last]
        return known.first { one in sources.prefix.contains(one) && !sources.except.contains { $0.contains(one) } }
            ?? (sources.prefix.isHost ? sources.prefix.address : nil)
    }

    /// Once for each candidate of the balancing decision.
    private mutating func walkAll(
        _ kind: Ways.Kind, _ what: String, _ packet: Packet, _ entry: PathTracer.Entry, _ position: Int,
        _ service: String?
    ) {
        guard let first = try? tracer.trace(packet, from: entry, isReturning: true) else { return }
        let count = first.candidates.count
        for choice in 0..<max(1, count) {
            guard
                let trace = choice == 0
                    ? first : try? tracer.trace(packet, from: entry, choice: choice, isReturning: true)
            else { continue }
            ways.append(
                Ways.Way(
                    kind: kind, what: what, position: position, trace: trace, arrives: arrives(trace, kind),
                    candidate: count > 1 ? choice + 1 : nil, service: service))
        }
    }

    private func arrives(_ trace: Trace, _ kind: Ways.Kind) -> Bool {
        switch kind {
        case .published: survey.isReached(trace)
        case .virtual, .names:
            trace.wayToPeer != nil || trace.verdict.outcome == .delivered || trace.verdict.outcome == .sent
        case .outward: trace.outward.verdict.outcome == .sent || isOnUplink(trace.outward)
        }
    }

    /// What becomes of it beyond the host's own link is not this host's doing.
    private func isOnUplink(_ leg: Trace.Leg) -> Bool {
        leg.hops.contains {
            $0.place.kind == .host && [.deviceOut, .cross, .neighbor].contains($0.stage.kind)
                && survey.links.contains($0.stage.name)
        }
    }

    // MARK: from tasks

    private mutating func walk(_ vip: Directory.VirtualIP) {
        let service = vip.service ?? vip.targets.compactMap { world.owner(of: $0, at: host)?.service }.first
        guard let caller = member(of: vip.address, not: service), let port = target(of: service) else { return }
        let packet = Packet(
            port.transport, from: Walk.unspecified(vip.address.family), Question.clientPort, to: vip.address,
            port.port)
        let what = "\(vip.address):\(port.port)" + (service.map { " of service \($0)" } ?? "")
        walkAll(.virtual, what, packet, .process(namespace: world[caller].inode), caller, service)
    }

    /// A task of the network that the address is on, which has more than a default route to it; not one of the service's
    /// own, whose way to itself is another one.
    private func member(of address: IPAddress, not service: String?) -> Int? {
        world.inventory.namespaces.indices.first { position in
            guard isTask(position), service == nil || world.identity(position).service != service else { return false }
            let route = Routing(world[position]).decide(RouteQuery(destination: address)).route
            return (route?.destination.prefixLength ?? 0) > 0 && route?.kind == .unicast
        }
    }

    /// A port on which one of its tasks listens; else the one behind a published port.
    private func target(of service: String?) -> (transport: Packet.Transport, port: UInt16)? {
        guard let service else { return nil }
        for position in directory.namespaces(of: service) {
            let sockets = world[position].sockets.filter { !$0.address.isLoopback }
            if let found = sockets.first(where: { $0.protocol == .tcp }) ?? sockets.first,
                let transport = Packet.Transport(rawValue: found.protocol.rawValue)
            {
                return (transport, found.port)
            }
        }
        if let port = directory.ports(of: service).first, let target = port.targets.lazy.compactMap(\.port).first {
            return (port.transport, target)
        }
        return directory.targetPort(of: service).map { (.tcp, $0) }
    }

    private mutating func walkOutward(_ position: Int) {
        for family in IPFamily.allCases {
            let target = Question.documentation(family)
            let route = Routing(world[position]).decide(RouteQuery(destination: target)).route
            // An internal network leads nowhere; nor does a family that the host itself does not have.
            guard route?.kind == .unicast, directory.address(of: host, family) != nil,
                let out = Routing(world[host]).decide(RouteQuery(destination: target)).route, out.kind == .unicast
            else { continue }
            let packet = Packet(.tcp, from: Walk.unspecified(family), Question.clientPort, to: target, 443)
            let what = "\(world.place(position).heading) to the outside\(family == .ip ? "" : " by IPv6")"
            walkAll(
                .outward, what, packet, .process(namespace: world[position].inode), position,
                world.identity(position).service)
        }
    }

    private mutating func walkToNames(_ position: Int) {
        guard let server = IPAddress("127.0.0.11"), usesNames(position, server) else { return }
        let packet = Packet(.udp, from: Walk.unspecified(.ip), Question.clientPort, to: server, 53)
        walkAll(
            .names, "names in \(world.place(position).heading)", packet, .process(namespace: world[position].inode),
            position, world.identity(position).service)
    }

    /// Tasks have a name server of the engine's; containers on Docker's default bridge have not.
    private func usesNames(_ position: Int, _ server: IPAddress) -> Bool {
        let space = world[position]
        return world.identity(position).task != nil || space.sockets.contains { $0.address == server }
            || space.iptables.contains { $0.chains.contains { $0.name == "DOCKER_OUTPUT" } }
            || space.tables.contains { $0.name == KernelState.tableName }
    }
}
