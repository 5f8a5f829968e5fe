import CausewayModel

/// A packet as the walk sees it: addresses, ports and mark, without a payload.
package struct Packet: Hashable, Codable, Sendable {
    package enum Transport: String, Hashable, Codable, Sendable, CaseIterable {
        case tcp, udp, icmp, icmpv6

        /// The number in an IP header.
        package var number: UInt8 {
            switch self {
            case .tcp: 6
            case .udp: 17
            case .icmp: 1
            case .icmpv6: 58
            }
        }

        package var hasPorts: Bool { self == .tcp || self == .udp }
    }

    /// The flags of a TCP header, by their bits.
    package struct TCPFlags: OptionSet, Hashable, Codable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let fin = TCPFlags(rawValue: 1)
        package static let syn = TCPFlags(rawValue: 2)
        package static let rst = TCPFlags(rawValue: 4)
        package static let ack = TCPFlags(rawValue: 16)
    }

    package var transport: Transport
    package var source: IPAddress
    package var destination: IPAddress
    /// 0 where the protocol has no ports.
    package var sourcePort: UInt16
    package var destinationPort: UInt16
    /// The kernel's own number beside the packet; it never leaves the host, nor a namespace.
    package var mark: UInt32
    package var flags: TCPFlags
    package var timeToLive: UInt8
    /// ICMP's type: 8 (ICMPv6: 128) asks for an echo, 0 (129) answers.
    package var icmpType: UInt8
    /// ICMP's code: of an error, which one.
    package var icmpCode: UInt8 = 0
    /// The whole IP packet's length in bytes; `nil`: small enough for every link.
    package var length: Int?

    package var family: IPFamily { destination.family }

    package init(
        _ transport: Transport, from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress,
        _ destinationPort: UInt16, mark: UInt32 = 0
    ) {
        self.transport = transport
        self.source = source
        self.destination = destination
        self.sourcePort = transport.hasPorts ? sourcePort : 0
        self.destinationPort = transport.hasPorts ? destinationPort : 0
        self.mark = mark
        flags = transport == .tcp ? .syn : []
        timeToLive = 64
        icmpType = transport == .icmp ? 8 : transport == .icmpv6 ? 128 : 0
    }

    /// The first packet that answers this one.
    package var reply: Packet {
        var other = self
        (other.source, other.destination) = (destination, source)
        (other.sourcePort, other.destinationPort) = (destinationPort, sourcePort)
        other.mark = 0
        other.timeToLive = 64
        other.flags = transport == .tcp ? [.syn, .ack] : []
        other.icmpType = transport == .icmp ? 0 : transport == .icmpv6 ? 129 : 0
        other.icmpCode = 0
        return other
    }

    /// What conntrack knows a packet by.
    var tuple: Tuple {
        Tuple(
            transport: transport, source: source, sourcePort: sourcePort, destination: destination,
            destinationPort: destinationPort)
    }

    /// `203.0.113.9:40000`, `[2001:db8::9]:40000`, or the address alone where there are no ports.
    static func endpoint(_ address: IPAddress, _ port: UInt16?) -> String {
        guard let port, port != 0 else { return "\(address)" }
        return address.family == .ip ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    package var sourceText: String { Self.endpoint(source, sourcePort) }
    package var destinationText: String { Self.endpoint(destination, destinationPort) }

    /// The packet as it is on the wire, without the mark.
    package var header: String { "\(sourceText) > \(destinationText) \(transport.rawValue)" }

    /// Whether the two look the same on the wire.
    func hasSameHeader(as other: Packet) -> Bool { tuple == other.tuple }
}

extension Packet: CustomStringConvertible {
    /// Addresses, ports and protocol: `203.0.113.9:40000 > 192.0.2.2:8080 tcp`.
    package var description: String {
        mark == 0 ? header : header + " mark 0x" + String(mark, radix: 16)
    }
}

/// The five values by which conntrack tells connections apart.
struct Tuple: Hashable, Sendable {
    var transport: Packet.Transport
    var source: IPAddress
    var sourcePort: UInt16
    var destination: IPAddress
    var destinationPort: UInt16

    var inverted: Tuple {
        Tuple(
            transport: transport, source: destination, sourcePort: destinationPort, destination: source,
            destinationPort: sourcePort)
    }
}

/// Which of conntrack's zones a packet is looked up in (`struct nf_conntrack_zone`).
struct Zone: Hashable, Sendable {
    var id: UInt16 = 0
    /// The directions that it holds for: the other one is in zone 0.
    var holdsForOriginal = true
    var holdsForReply = true

    var original: UInt16 { holdsForOriginal ? id : 0 }
    var reply: UInt16 { holdsForReply ? id : 0 }
}

/// What one namespace remembers of a connection.
struct Connection: Hashable, Sendable {
    enum Direction: Hashable, Sendable { case original, reply }
    enum Manipulation: Hashable, Sendable { case source, destination }

    let original: Tuple
    /// The tuple that answers will have: that of `original` inverted, but for what NAT changed.
    var reply: Tuple
    /// Which NAT decisions were taken; each is taken once, for the first packet.
    var decided: Set<Manipulation> = []
    var changesSource = false
    var changesDestination = false
    var hasSeenReply = false
    var mark: UInt32 = 0
    var zone = Zone()

    /// Whether a packet of a direction is translated where sources, or destinations, are.
    func translates(_ part: Manipulation, of direction: Direction) -> Bool {
        (part == .source) == (direction == .original) ? changesSource : changesDestination
    }

    init(_ packet: Packet, zone: Zone = Zone()) {
        self.zone = zone
        original = packet.tuple
        reply = packet.tuple.inverted
    }
}
