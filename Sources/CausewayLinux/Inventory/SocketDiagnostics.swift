import CLinux
import CausewayKernel
import CausewayModel

/// Sockets of a namespace (sock_diag(7)).
package struct SocketDiagnostics: Sendable {
    package struct Found: Hashable, Sendable {
        package var `protocol`: Swarm.TransportProtocol
        package var address: IPAddress
        package var port: UInt16
        package var isV6Only: Bool
        /// The socket's number, by which a process's descriptors name it.
        package var inode: UInt32
    }

    private static let listening: UInt32 = 1 << 10
    private static let closed: UInt32 = 1 << 7
    /// `TCP_BOUND_INACTIVE` (6.8): bound, but neither listening nor connected.
    ///
    /// Older kernels show none.
    private static let boundOnly: UInt32 = 1 << 13

    private let socket: NetlinkSocket

    /// Opens it in the calling thread's namespace.
    package init() throws(NetlinkError) { socket = try NetlinkSocket(.socketDiagnostics) }

    /// Sockets that take packets without having asked for them: TCP in LISTEN, UDP bound to a port and not connected.
    package func receivers() throws(NetlinkError) -> [Found] {
        try listeners() + find(.udp, states: Self.closed)
    }

    /// Sockets that take TCP connections.
    package func listeners() throws(NetlinkError) -> [Found] { try find(.tcp, states: Self.listening) }

    /// Sockets that keep others from binding a port.
    package func holders(_ protocol: Swarm.TransportProtocol, port: UInt16) throws(NetlinkError) -> [Found] {
        let states = `protocol` == .tcp ? Self.listening | Self.boundOnly : UInt32.max
        return try find(`protocol`, states: states).filter { $0.port == port }
    }

    private func find(_ protocol: Swarm.TransportProtocol, states: UInt32) throws(NetlinkError) -> [Found] {
        var found: [Found] = []
        for family in IPFamily.allCases {
            var question = NetlinkWriter(type: UInt16(SOCK_DIAG_BY_FAMILY))
            question.put([family.netlink, `protocol`.number, 0, 0])
            question.put(states)
            // inet_diag_sockid: any.
            question.put([UInt8](repeating: 0, count: 48))
            for message in try socket.dump(question) {
                do throws(NetlinkReader.Malformed) {
                    if let one = try Self.socket(message, `protocol`), one.port != 0 { found.append(one) }
                } catch {
                    throw NetlinkError(error)
                }
            }
        }
        return found
    }

    /// inet_diag_msg: family, state, timer, retransmissions; ports, addresses, link, cookie; five numbers.
    static func socket(
        _ message: NetlinkMessage, _ protocol: Swarm.TransportProtocol
    ) throws(NetlinkReader.Malformed) -> Found? {
        var reader = NetlinkReader(message.payload)
        let family = IPFamily(netlink: try reader.read(UInt8.self))
        _ = try reader.take(3)
        let port = try reader.readBig(UInt16.self)
        _ = try reader.take(2)
        let source = try reader.take(16)
        _ = try reader.take(16 + 4 + 8 + 16)
        let inode = try reader.read(UInt32.self)
        let attributes = try reader.attributes()
        guard let family, let address = IPAddress(bytes: source.prefix(family.width / 8)) else { return nil }
        let v6Only = try attributes.integer(UInt16(INET_DIAG_SKV6ONLY), UInt8.self) ?? 0
        return Found(protocol: `protocol`, address: address, port: port, isV6Only: v6Only != 0, inode: inode)
    }
}
