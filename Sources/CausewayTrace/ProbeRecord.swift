import CausewayLinux
import CausewayPath

/// What a program writes of one packet.
enum ProbeRecord {
    static let time: Int16 = 0
    static let location: Int16 = 8
    static let point: Int16 = 16
    static let reason: Int16 = 20
    static let namespace: Int16 = 24
    static let link: Int16 = 28
    static let mark: Int16 = 32
    static let bytes: Int16 = 40
    /// Enough for IPv6 in VXLAN in IPv6, up to TCP's flags: 40 + 8 + 8 + 14 + 40 + 20, and a multiple of 8.
    static let headers = 136
    static let size = Int(bytes) + headers

    /// `nil` when it is no packet that is known here.
    static func sighting(_ record: ArraySlice<UInt8>, _ layout: ProbeLayout, _ tunnelPorts: Set<UInt16>) -> Sighting? {
        let fields = Array(record)
        guard fields.count == size else { return nil }
        func number<T: FixedWidthInteger>(_ at: Int16, _: T.Type) -> T {
            fields.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: Int(at), as: T.self) }
        }
        guard let packet = SeenPacket(network: fields[Int(bytes)...], tunnelPorts: tunnelPorts) else { return nil }
        let link = number(Self.link, UInt32.self)
        let event: Sighting.Event
        switch number(point, Int32.self) {
        case ProbeProgram.Point.receive.number: event = .received(link: link)
        case ProbeProgram.Point.send.number: event = .sent(link: link)
        default:
            event = .dropped(
                reason: layout.reason(number(reason, UInt32.self)),
                function: KernelSymbols.placeholder(number(location, UInt64.self)))
        }
        return Sighting(
            namespace: UInt64(number(namespace, UInt32.self)), time: number(time, UInt64.self), event, packet: packet)
    }
}
