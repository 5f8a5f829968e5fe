import CausewayKernel
import CausewayModel

/// Asks the walk of every kind of packet from outside, and writes down what arrives.
///
/// All sources of a region and all ports of a range are alike to every rule that is understood, so one packet stands
/// for each pair.
package struct ExposureSurvey: Sendable {
    let world: World
    let links: Set<String>
    let ports: [Packet.Transport: [Cuts.Ports]]
    let tracer: PathTracer
    private let sources: Set<CIDR>
    private let directory: Directory
    /// The namespace from which is asked; `nil`: from outside.
    let origin: Int?

    /// `from` is `host`, or the name of a task or a container; `nil` asks for everybody outside.
    package init(_ inventory: Inventory, from name: String? = nil) throws(PathError) {
        tracer = PathTracer(inventory)
        world = tracer.world
        directory = Directory(world)
        origin = try Self.position(name, directory)
        links = world.outsideLinks
        let cuts = Cuts(world, links: links)
        ports = Dictionary(uniqueKeysWithValues: Cuts.transports.map { ($0, cuts.ports($0)) })
        sources = cuts.sources.union(Clients.impossible)
    }

    private static func position(_ name: String?, _ directory: Directory) throws(PathError) -> Int? {
        guard let name else { return nil }
        if name == "host" { return 0 }
        let clean = name.hasPrefix("task:") ? String(name.dropFirst(5)) : name
        guard let at = directory.namespace(named: clean) ?? directory.namespaces(of: clean).first else {
            throw .unknownOrigin(name, known: directory.tasks)
        }
        return at
    }

    package func run() -> Exposure {
        var exposure = Exposure(
            hostname: world.inventory.hostname, from: origin.map { world.place($0).title },
            links: origin == nil ? links.sorted() : [], openings: [], disagreements: [], unreachable: [], unknown: [])
        guard !world.inventory.namespaces.isEmpty else { return exposure }
        let regions = Dictionary(
            uniqueKeysWithValues: IPFamily.allCases.map { ($0, SourceRegions($0, sources)) })
        var firewall = FirewallView(world)
        for (address, link) in targets {
            guard let clients = clients(of: address, link, regions), !clients.all.isEmpty else { continue }
            for transport in Cuts.transports {
                var found = AddressSurvey(self, address, transport, clients)
                found.run()
                exposure.openings += found.openings
                exposure.unknown += found.unknown.filter { !exposure.unknown.contains($0) }
                if origin == nil { firewall.compare(found) }
            }
        }
        exposure.openings.sort {
            ($0.firstPort, $0.transport.rawValue, $0.address) < ($1.firstPort, $1.transport.rawValue, $1.address)
        }
        exposure.disagreements = firewall.disagreements.filter { one in
            one.kind != .allowedButClosed || !exposure.openings.contains { $0.overlaps(one) }
        }
        if origin == nil { exposure.unreachable = unreachable(exposure.openings) }
        return exposure
    }

    private func clients(of address: IPAddress, _ link: String, _ regions: [IPFamily: SourceRegions]) -> Clients? {
        guard origin == nil else { return address.v6?.isLinkLocal == true ? nil : Clients(within: address.family) }
        guard address.v6?.isLinkLocal == true else {
            return regions[address.family].map { Clients(of: address, $0, world, links: links) }
        }
        return Clients(ofLinkLocal: link, links: links)
    }

    /// The host's own addresses, and those of tasks and containers, each with its link.
    private var targets: [(IPAddress, String)] {
        var seen: Set<IPAddress> = []
        var result: [(IPAddress, String)] = []
        for (position, space) in world.inventory.namespaces.enumerated() {
            guard position == 0 || world.identity(position).name != nil else { continue }
            for address in space.addresses {
                let one = address.address.address
                let isLinkLocal = one.v6?.isLinkLocal == true
                guard !one.isLoopback, position == 0 || !isLinkLocal else { continue }
                guard isLinkLocal ? links.contains(address.link) : seen.insert(one).inserted else { continue }
                result.append((one, address.link))
            }
        }
        return result.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    }

    // MARK: one packet

    /// Where a packet ends, and whether its answer gets out again.
    func outcome(_ packet: Packet, by link: String) -> Trace? {
        let entry =
            origin.map { PathTracer.Entry.process(namespace: world[$0].inode) }
            ?? .link(namespace: world[0].inode, name: link)
        guard let first = trace(packet, entry, 0) else { return nil }
        guard !isReached(first), first.candidates.count > 1 else { return first }
        // One of several tasks may answer where another does not.
        return (1..<first.candidates.count).lazy.compactMap { trace(packet, entry, $0) }.first(where: isReached)
            ?? first
    }

    /// The answer's way is walked only when there is an answer that matters.
    private func trace(_ packet: Packet, _ entry: PathTracer.Entry, _ choice: Int) -> Trace? {
        guard let way = try? tracer.trace(packet, from: entry, choice: choice) else { return nil }
        guard way.outward.verdict.outcome == .delivered else { return way }
        return try? tracer.trace(packet, from: entry, choice: choice, isReturning: true)
    }

    /// A socket gets the packet, and nothing on the host stops the answer.
    ///
    /// A packet that leaves for another node by a tunnel is that node's: it is taken to arrive.
    func isReached(_ trace: Trace) -> Bool {
        if trace.wayToPeer != nil { return true }
        guard trace.outward.verdict.outcome == .delivered, !isReservation(trace) else { return false }
        guard let reply = trace.reply, [.dropped, .refused].contains(reply.verdict.outcome) else { return true }
        // What becomes of it on the link and beyond is not this host's doing, nor is there such a neighbour.
        return origin == nil
            && reply.hops.contains { hop in
                hop.place.kind == .host && [.deviceOut, .cross, .neighbor].contains(hop.stage.kind)
                    && links.contains(hop.stage.name)
            }
    }

    /// A published UDP port is held by a socket that nobody reads.
    private func isReservation(_ trace: Trace) -> Bool {
        guard trace.outward.verdict.place.kind == .host, let name = trace.outward.verdict.processName else {
            return false
        }
        let port = trace.outward.packet.destinationPort
        return name.hasPrefix("causeway")
            && directory.published.contains { $0.port == port && $0.transport == trace.transport }
    }

    /// The service that has a published port.
    func service(of transport: Packet.Transport, _ port: UInt16) -> String? {
        directory.published.first { $0.transport == transport && $0.port == port }?.service
    }

    /// Published ports that are nowhere among the openings.
    private func unreachable(_ openings: [Exposure.Opening]) -> [Exposure.Unreachable] {
        let open = Set(openings.map { "\($0.firstPort)/\($0.transport)" })
        return directory.published.filter { !open.contains("\($0.port)/\($0.transport)") }.map { port in
            Exposure.Unreachable(
                transport: port.transport, port: port.port, service: port.service, why: why(port))
        }
    }

    private func why(_ port: Directory.PublishedPort) -> String {
        for family in IPFamily.allCases {
            guard let address = directory.address(of: 0, family) else { continue }
            let clients = Clients(of: address, SourceRegions(family, sources), world, links: links)
            guard let client = clients.all.first else { continue }
            let packet = Packet(port.transport, from: client.address, 40_000, to: address, port.port)
            if let trace = outcome(packet, by: client.link) { return "\(trace.verdict)" }
        }
        return "no link of the host leads outside"
    }
}

extension Exposure.Opening {
    fileprivate func overlaps(_ other: Exposure.Disagreement) -> Bool {
        transport == other.transport && firstPort <= other.lastPort && other.firstPort <= lastPort
    }
}

extension Trace {
    fileprivate var transport: Packet.Transport { outward.packet.transport }

    /// The hop by which the packet leaves for another node.
    var wayToPeer: Hop? {
        outward.verdict.outcome == .sent ? outward.hops.last { $0.stage.kind == .encapsulate } : nil
    }
}
