import CausewayModel

/// A packet's headers as the kernel showed them.
package struct SeenPacket: Hashable, Codable, Sendable {
    package var packet: Packet
    package var identity: PacketIdentity
    /// The packet inside, where this one is a tunnel's and enough of it was shown.
    package var carried: Carried?

    package indirect enum Carried: Hashable, Codable, Sendable { case packet(SeenPacket) }

    package var inner: SeenPacket? {
        guard case .packet(let inner)? = carried else { return nil }
        return inner
    }

    package init(_ packet: Packet, _ identity: PacketIdentity) {
        self.packet = packet
        self.identity = identity
    }

    /// Whether this packet, by what no NAT changes, answers another one.
    package func answers(_ asked: SeenPacket) -> Bool {
        switch (identity, asked.identity) {
        case (.tcp(_, let acknowledged, let flags), .tcp(let sequence, _, _)):
            flags & 0x16 > 0x02 && acknowledged == sequence &+ 1
        case (.echo(let id, let sequence, true), .echo(let askedID, let askedSequence, false)):
            id == askedID && sequence == askedSequence
        case (.udp, .udp): packet.tuple == asked.packet.tuple.inverted
        default: false
        }
    }
}

/// What stays of a packet, whatever NAT does to its addresses and ports: by this it is known everywhere.
package enum PacketIdentity: Hashable, Codable, Sendable {
    case tcp(sequence: UInt32, acknowledged: UInt32, flags: UInt8)
    /// With the first twelve bytes of what it carries, which is all that nftables shows.
    case udp(length: UInt16, beginning: [UInt8])
    case echo(id: UInt16, sequence: UInt16, isAnswer: Bool)
}

// MARK: bytes

extension SeenPacket {
    private static let vxlanHeader = 8
    private static let ethernetHeader = 14

    /// Reads an IP packet from its first byte on, as far as there are bytes; `nil` when it is none that is known here.
    ///
    /// What comes by one of `tunnelPorts` is taken for VXLAN.
    package init?(network bytes: some Collection<UInt8>, tunnelPorts: Set<UInt16> = []) {
        let bytes = Array(bytes)
        guard let header = IPHeader(bytes) else { return nil }
        self.init(header: header, transport: bytes.dropFirst(header.length), tunnelPorts: tunnelPorts)
    }

    /// Reads the headers one by one, as nftables shows them.
    package init?(network: some Collection<UInt8>, transport: some Collection<UInt8>) {
        guard let header = IPHeader(Array(network)) else { return nil }
        self.init(header: header, transport: ArraySlice(transport), tunnelPorts: [])
    }

    private init?(header: IPHeader, transport: ArraySlice<UInt8>, tunnelPorts: Set<UInt16>) {
        let bytes = Bytes(transport)
        let identity: PacketIdentity
        var ports: (UInt16, UInt16) = (0, 0)
        var flags: UInt8 = 0
        var icmpType: UInt8 = 0
        switch header.transport {
        case .tcp:
            guard let source = bytes.u16(0), let target = bytes.u16(2), let sequence = bytes.u32(4),
                let acknowledged = bytes.u32(8), let bits = bytes.u8(13)
            else { return nil }
            ports = (source, target)
            flags = bits & 0x3f
            identity = .tcp(sequence: sequence, acknowledged: acknowledged, flags: flags)
        case .udp:
            guard let source = bytes.u16(0), let target = bytes.u16(2), let length = bytes.u16(4) else { return nil }
            ports = (source, target)
            identity = .udp(length: length, beginning: Array(transport.dropFirst(8).prefix(12)))
        case .icmp, .icmpv6:
            guard let type = bytes.u8(0), let id = bytes.u16(4), let sequence = bytes.u16(6) else { return nil }
            icmpType = type
            identity = .echo(
                id: id, sequence: sequence, isAnswer: type == (header.transport == .icmp ? 0 : 129))
        }
        var packet = Packet(
            header.transport, from: header.source, ports.0, to: header.destination, ports.1)
        packet.flags = Packet.TCPFlags(rawValue: flags)
        packet.timeToLive = header.timeToLive
        packet.icmpType = icmpType
        self.init(packet, identity)
        guard header.transport == .udp, tunnelPorts.contains(ports.1) else { return }
        let inside = transport.dropFirst(8 + Self.vxlanHeader + Self.ethernetHeader)
        carried = SeenPacket(network: inside).map { .packet($0) }
    }
}

/// The part of an IP header that a packet is known by.
private struct IPHeader {
    var transport: Packet.Transport
    var source: IPAddress
    var destination: IPAddress
    var timeToLive: UInt8
    var length: Int

    init?(_ bytes: [UInt8]) {
        let all = Bytes(bytes[...])
        guard let first = bytes.first else { return nil }
        let number: UInt8
        switch first >> 4 {
        case 4:
            guard bytes.count >= 20, let from = IPAddress(bytes: bytes[12..<16]),
                let to = IPAddress(bytes: bytes[16..<20])
            else { return nil }
            (source, destination) = (from, to)
            (number, timeToLive, length) = (bytes[9], bytes[8], Int(first & 15) * 4)
            // A later fragment has no ports.
            guard all.u16(6).map({ $0 & 0x1fff }) == 0 else { return nil }
        case 6:
            guard bytes.count >= 40, let from = IPAddress(bytes: bytes[8..<24]),
                let to = IPAddress(bytes: bytes[24..<40])
            else { return nil }
            (source, destination) = (from, to)
            (number, timeToLive, length) = (bytes[6], bytes[7], 40)
        default: return nil
        }
        guard let transport = Packet.Transport.allCases.first(where: { $0.number == number }) else { return nil }
        self.transport = transport
    }
}

/// Numbers in network byte order, at places that may not be there.
private struct Bytes {
    let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    func u8(_ at: Int) -> UInt8? {
        let index = bytes.startIndex + at
        return index < bytes.endIndex ? bytes[index] : nil
    }

    func u16(_ at: Int) -> UInt16? {
        guard let high = u8(at), let low = u8(at + 1) else { return nil }
        return UInt16(high) << 8 | UInt16(low)
    }

    func u32(_ at: Int) -> UInt32? {
        guard let high = u16(at), let low = u16(at + 2) else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }
}
