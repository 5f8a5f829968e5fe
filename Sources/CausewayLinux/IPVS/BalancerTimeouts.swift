import CausewayKernel

/// How long IPVS remembers what is idle, of one namespace: what `ipvsadm --set` sets.
package struct BalancerTimeouts: Hashable, Sendable {
    /// What the kernel begins with (`tcp_timeouts`, `udp_timeouts` of ip_vs_proto_tcp.c and ip_vs_proto_udp.c).
    package static let usual = BalancerTimeouts(established: 900, closing: 120, datagrams: 300)

    /// An established TCP connection, seconds.
    package var established: UInt32
    /// A TCP connection after a FIN, seconds.
    package var closing: UInt32
    /// A UDP flow, seconds.
    package var datagrams: UInt32

    package init(established: UInt32, closing: UInt32, datagrams: UInt32) {
        self.established = established
        self.closing = closing
        self.datagrams = datagrams
    }

    /// Sets them in the calling thread's namespace; they hold from each connection's next packet.
    package func set() throws(KernelError) {
        let step = "ipvsadm --set \(established) \(closing) \(datagrams)"
        do throws(NetlinkError) {
            try BalancerStep.socket().request(IPVSNumber.setConfiguration) { message in
                message.attribute(IPVSNumber.timeoutTCP, established)
                message.attribute(IPVSNumber.timeoutFIN, closing)
                message.attribute(IPVSNumber.timeoutUDP, datagrams)
            }
        } catch {
            throw error.kernelError(step)
        }
    }
}
