import CLinux
import CausewayKernel
import CausewayLinux
import CausewayPath
import Foundation
import Glibc
import Synchronization

/// Hears what the kernel says of traced packets, of all namespaces through one socket and so in the kernel's order.
///
/// The socket lives in a namespace of its own, which has a number for each of the others (NETLINK_LISTEN_ALL_NSID): it
/// goes with the socket, and no namespace of the machine is given a number.
package final class ChainListener: Sendable {
    private let socket: NetlinkSocket
    private let isStopped = Mutex(false)

    package init(_ namespaces: LiveNamespaces, into log: SightingLog) async throws(KernelError) {
        let (socket, numbers) = try await Self.open(namespaces)
        self.socket = socket
        Thread.detachNewThread { [weak self] in
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            var polled = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            while let self, !self.isStopped.withLock({ $0 }) {
                guard poll(&polled, 1, 50) > 0 else { continue }
                Self.read(socket, &buffer, numbers, log)
            }
        }
    }

    package func stop() { isStopped.withLock { $0 = true } }

    deinit { stop() }

    private static func open(
        _ namespaces: LiveNamespaces
    ) async throws(KernelError) -> (NetlinkSocket, [Int32: UInt64]) {
        let step = "listen to nftables' trace"
        return try await NetworkNamespace.host.performStep { () throws(KernelError) in
            let failure = clinux_new_network_namespace()
            guard failure == 0 else { throw KernelError(step, errno: failure) }
            do throws(NetlinkError) {
                let route = try RouteSocket()
                var numbers: [Int32: UInt64] = [:]
                for one in namespaces.all {
                    guard let number = try route.giveNumber(toNamespace: one.descriptor) else { continue }
                    numbers[number] = one.inode
                }
                let socket = try NetlinkSocket(
                    .netfilter, groups: [UInt32(NFNLGRP_NFTRACE.rawValue)], hearsAll: true)
                return (socket, numbers)
            } catch {
                throw error.kernelError(step)
            }
        }
    }

    private static func read(
        _ socket: NetlinkSocket, _ buffer: inout [UInt8], _ numbers: [Int32: UInt64], _ log: SightingLog
    ) {
        while true {
            var number: Int32 = -1
            let length = clinux_receive(socket.descriptor, &buffer, UInt(buffer.count), &number)
            guard length > 0 else {
                if errno == ENOBUFS { log.lose() }
                return
            }
            let time = MonotonicClock.now
            guard let inode = numbers[number],
                let messages = try? NetlinkMessage.split(Array(buffer[..<min(length, buffer.count)]))
            else { continue }
            for message in messages {
                do throws(NetlinkReader.Malformed) {
                    if let one = try ChainMessage.sighting(message, namespace: inode, time: time) { log.add(one) }
                } catch {
                    log.lose()
                }
            }
        }
    }
}
