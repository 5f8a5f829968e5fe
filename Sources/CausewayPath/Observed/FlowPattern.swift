import CausewayKernel
import CausewayModel

/// Which packets are followed in a namespace: an exact filter, but for what is not known before.
package struct FlowPattern: Hashable, Sendable {
    package var transport: Packet.Transport
    /// `nil`: any.
    package var source: IPAddress?
    /// Empty: any.
    package var sourcePorts: Set<UInt16>
    package var destination: IPAddress?
    package var destinationPorts: Set<UInt16>
    /// Answers: the second packet of a connection, or a refusal; else first packets alone.
    package var isAnswer: Bool
    /// The UDP port of the tunnel inside whose packets it is looked for.
    package var tunnelPort: UInt16?
    /// Of the tunnel's packet.
    package var tunnelFamily: IPFamily?

    package var family: IPFamily? { (source ?? destination)?.family }

    /// Whether a packet is one of these; one in a tunnel, by what is inside.
    package func matches(_ seen: SeenPacket) -> Bool {
        guard let tunnelPort else { return matches(seen.packet) }
        guard seen.packet.destinationPort == tunnelPort, let inner = seen.inner else { return false }
        return matches(inner.packet)
    }

    private func matches(_ packet: Packet) -> Bool {
        func isOne<T>(_ wanted: T?, _ found: T) -> Bool where T: Equatable { wanted.map { $0 == found } ?? true }
        func isIn(_ wanted: Set<UInt16>, _ found: UInt16) -> Bool { wanted.isEmpty || wanted.contains(found) }
        guard packet.transport == transport, isOne(family, packet.family), isOne(source, packet.source),
            isOne(destination, packet.destination)
        else { return false }
        guard transport.hasPorts else { return true }
        return isIn(sourcePorts, packet.sourcePort) && isIn(destinationPorts, packet.destinationPort)
            && (transport != .tcp || isOfInterest(packet.flags))
    }

    private func isOfInterest(_ flags: Packet.TCPFlags) -> Bool {
        isAnswer
            ? !flags.isDisjoint(with: [.syn, .rst]) : flags.intersection([.fin, .syn, .rst, .ack]) == .syn
    }
}

/// The client whose packets are followed, as far as it is known before they come.
package struct FollowedClient: Hashable, Sendable {
    /// `nil`: whoever it is.
    package var source: IPAddress?
    /// Empty: any.
    package var ports: Set<UInt16>

    package init(source: IPAddress?, ports: Set<UInt16> = []) {
        self.source = source
        self.ports = ports
    }
}

/// What to look for in which namespace, from what is predicted.
package struct TraceFilter: Hashable, Sendable {
    /// By the namespace's number in nsfs, on this machine.
    package private(set) var patterns: [UInt64: Set<FlowPattern>] = [:]
    package private(set) var tunnelPorts: Set<UInt16> = []
    /// Namespaces of other machines, which cannot be looked into from here.
    package private(set) var elsewhere: Set<String> = []

    package var all: Set<FlowPattern> { patterns.values.reduce(into: []) { $0.formUnion($1) } }

    package var isEmpty: Bool { patterns.isEmpty }

    /// Collects the packets with which each namespace is entered, both ways, whichever candidate is chosen.
    package init(_ tracer: PathTracer, _ traces: [Trace], client: FollowedClient, machine: String?) {
        let places = tracer.world.positionsByPlace
        for trace in traces {
            let asked = trace.outward.packet
            for (isAnswer, leg) in [(false, trace.outward)] + (trace.reply.map { [(true, $0)] } ?? []) {
                for (hop, packet, inner) in Self.entries(leg) {
                    guard let position = places[hop.place] else { continue }
                    let origin = tracer.world.origins[position]
                    guard origin.machine == machine || origin.machine == nil else {
                        elsewhere.insert(hop.place.longHeading)
                        continue
                    }
                    var pattern = Self.pattern(inner ?? packet, asked, client, isAnswer)
                    if inner != nil {
                        pattern.tunnelPort = packet.destinationPort
                        pattern.tunnelFamily = packet.family
                        tunnelPorts.insert(packet.destinationPort)
                    }
                    patterns[origin.inode, default: []].insert(pattern)
                }
            }
        }
    }

    /// The packet at each hop where it enters a stack anew, with what is inside it.
    private static func entries(_ leg: Trace.Leg) -> [(Hop, Packet, Packet?)] {
        var found: [(Hop, Packet, Packet?)] = []
        var inner: Packet?
        for (index, hop) in leg.hops.enumerated() {
            switch hop.stage.kind {
            case .encapsulate:
                inner = hop.before
                // The tunnel's packet may travel in another namespace than that of its device: its route says where.
                found.append((index + 1 < leg.hops.count ? leg.hops[index + 1] : hop, hop.packet, inner))
            case .decapsulate: inner = nil
            case .deviceIn: found.append((hop, hop.before, inner))
            default: if index == 0 { found.append((hop, hop.before, inner)) }
            }
            // The packets behind every translation too: devices and drops show them as they are then.
            if hop.after != nil, hop.stage.kind == .chain || hop.stage.kind == .conntrack {
                found.append((hop, hop.packet, inner))
            }
        }
        return found
    }

    private static func pattern(
        _ packet: Packet, _ asked: Packet, _ client: FollowedClient, _ isAnswer: Bool
    ) -> FlowPattern {
        /// An address and a port as the walk has them, or the client's where they are its.
        func side(_ address: IPAddress, _ port: UInt16) -> (IPAddress?, Set<UInt16>) {
            let isClients = port == asked.sourcePort
            if address == asked.source, isClients || !packet.transport.hasPorts { return (client.source, client.ports) }
            // Behind a masquerade the port may be another one.
            return (address, isClients || port == 0 ? [] : [port])
        }
        let (source, sourcePorts) = side(packet.source, packet.sourcePort)
        let (destination, destinationPorts) = side(packet.destination, packet.destinationPort)
        return FlowPattern(
            transport: packet.transport, source: source, sourcePorts: sourcePorts, destination: destination,
            destinationPorts: destinationPorts, isAnswer: isAnswer)
    }
}

extension World {
    /// Where each place is; places of two hosts never look alike.
    var positionsByPlace: [Place: Int] {
        Dictionary(inventory.namespaces.indices.map { (place($0), $0) }) { first, _ in first }
    }

    /// The namespace that this machine calls so.
    func position(ofOrigin inode: UInt64, machine: String?) -> Int? {
        origins.firstIndex { $0.inode == inode && ($0.machine == machine || $0.machine == nil) }
    }
}
