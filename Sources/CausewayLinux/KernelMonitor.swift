import CLinux
import CausewayKernel
import Foundation
import Glibc

/// Wakes who wants to know that somebody may have changed something in a namespace.
///
/// A wakeup carries no meaning of its own: any number of changes may be one wakeup, and a change that is lost because
/// there were too many is a wakeup too.
package enum KernelMonitor {
    /// Links, addresses, routes, neighbours and nftables of a namespace, from now on.
    ///
    /// Ends with the task that iterates, or when the stream is let go.
    package static func wakeups(_ namespace: NetworkNamespace) async throws(KernelError) -> AsyncStream<Void> {
        let step = "watch namespace \(namespace.path)"
        let sockets = try await namespace.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                return [
                    try NetlinkSocket(.route, groups: routeGroups),
                    try NetlinkSocket(.netfilter, groups: [UInt32(NFNLGRP_NFTABLES.rawValue)]),
                ]
            } catch {
                throw error.kernelError(step)
            }
        }
        let stop = try Bell(step)
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        continuation.onTermination = { _ in stop.ring() }
        Thread.detachNewThread {
            watch(sockets.map(\.descriptor), stop: stop.descriptor) { continuation.yield() }
            // What is polled has to outlive the loop; and whatever ended it, the one who waits has to be told.
            withExtendedLifetime((sockets, stop)) { continuation.finish() }
        }
        return stream
    }

    private static var routeGroups: [UInt32] {
        [
            RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV6_ROUTE,
        ].map { UInt32($0.rawValue) }
    }

    /// Returns when `stop` is written to, or a socket breaks.
    private static func watch(_ descriptors: [Int32], stop: Int32, _ wake: () -> Void) {
        var polled = (descriptors + [stop]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            guard poll(&polled, nfds_t(polled.count), -1) >= 0 || errno == EINTR else { break }
            if polled.last?.revents != 0 { break }
            var isBroken = false
            for entry in polled where entry.revents != 0 {
                // ENOBUFS says that messages were lost: a wakeup like any other.
                let count = recv(entry.fd, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count < 0, ![ENOBUFS, EAGAIN, EINTR].contains(errno) { isBroken = true }
            }
            if isBroken { break }
            wake()
        }
    }
}

/// Wakes a thread that polls.
///
/// Its descriptor is closed when nobody holds it any more.
private final class Bell: Sendable {
    let descriptor: Int32

    init(_ step: String) throws(KernelError) {
        descriptor = clinux_event()
        guard descriptor >= 0 else { throw KernelError(step, errno: errno) }
    }

    deinit { close(descriptor) }

    func ring() { clinux_event_signal(descriptor) }
}
