import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// A raw ICMP socket that sends echoes which no router may fragment, and hears their answers.
///
/// `IP_PMTUDISC_PROBE`: what the kernel believes of the path is not asked, only the device's own MTU.
struct EchoSocket {
    struct Reply: Hashable {
        var address: IPv4Address
        /// Of the whole packet.
        var size: UInt32
    }

    /// RFC 792.
    private static let (echoRequest, echoReply): (UInt8, UInt8) = (8, 0)
    static let ipHeader = 20
    static let icmpHeader = 8
    /// As many answers of full size as a hundred peers send at once.
    private static let bufferSize: CInt = 4 << 20

    let descriptor: CInt
    /// Tells our answers from those of others' pings.
    private let identifier = UInt16.random(in: 1 ... .max)
    private var sequence: UInt16 = 0
    private var packet = [UInt8]()
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init() throws(KernelError) {
        let step = "open a socket for pings"
        let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        descriptor = socket(AF_INET, type, CInt(IPPROTO_ICMP))
        guard descriptor >= 0 else { throw KernelError(step, errno: errno) }
        let refused = clinux_hear_echo_replies(descriptor)
        guard refused == 0 else { throw KernelError(step, errno: refused) }
        guard set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) else { throw KernelError(step, errno: errno) }
        // Less is no failure: then some answers of a large cluster are lost, and asked for again.
        _ = set(SOL_SOCKET, SO_RCVBUFFORCE, Self.bufferSize)
        _ = set(SOL_SOCKET, SO_SNDBUFFORCE, Self.bufferSize)
    }

    private func set(_ level: some BinaryInteger, _ option: CInt, _ value: CInt) -> Bool {
        var value = value
        return setsockopt(descriptor, CInt(level), option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
    }

    /// Sends and hears through one device from now on; returns whether there is such a device.
    func bind(to device: String) -> Bool { Self.bind(descriptor, to: device) }

    static func bind(_ descriptor: CInt, to device: String) -> Bool {
        setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device, socklen_t(device.utf8.count)) == 0
    }

    /// Sends an echo whose whole packet has `size` bytes; one that cannot be sent is one without an answer.
    mutating func send(to address: IPv4Address, size: UInt32) {
        sequence &+= 1
        let length = max(Int(size) - Self.ipHeader, Self.icmpHeader)
        packet = [UInt8](repeating: 0, count: length)
        packet[0] = Self.echoRequest
        (packet[4], packet[5]) = (UInt8(identifier >> 8), UInt8(truncatingIfNeeded: identifier))
        (packet[6], packet[7]) = (UInt8(sequence >> 8), UInt8(truncatingIfNeeded: sequence))
        let checksum = Self.checksum(packet)
        (packet[2], packet[3]) = (UInt8(checksum >> 8), UInt8(truncatingIfNeeded: checksum))
        address.withSocketAddress(port: 0) { name, size in
            _ = sendto(descriptor, packet, packet.count, CInt(MSG_DONTWAIT), name, size)
        }
    }

    /// The next answer that waits, if one does.
    mutating func receive() -> Reply? {
        while true {
            let length = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            if length < 0 {
                // Whatever an earlier echo brought is taken off with the error.
                if errno == EAGAIN || errno == EWOULDBLOCK { return nil }
                if errno == EINTR { continue }
                return nil
            }
            if let reply = reply(length: length) { return reply }
        }
    }

    private func reply(length: Int) -> Reply? {
        guard length >= Self.ipHeader else { return nil }
        let start = Int(buffer[0] & 0xf) * 4
        guard length >= start + Self.icmpHeader, buffer[start] == Self.echoReply,
            UInt16(buffer[start + 4]) << 8 | UInt16(buffer[start + 5]) == identifier
        else { return nil }
        let source = buffer[12..<16].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return Reply(address: IPv4Address(rawValue: source), size: UInt32(length))
    }

    /// RFC 1071.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16) }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}

extension IPv4Address {
    /// Lends it as the kernel wants it.
    func withSocketAddress<R>(port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = rawValue.bigEndian
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
