import CLinux
import CausewayKernel
import CausewayModel
import Foundation
import Glibc
import Synchronization

/// Counts the connections of a namespace that were translated to a backend, by the backend's address.
///
/// The kernel says once, when it forgets a connection, what went over it; nothing is asked for in between, and packets
/// are not touched. Those that are still there are read when somebody wants to know. Bytes are counted from
/// `net.netfilter.nf_conntrack_acct` = 1 on.
package final class FlowCounter: Sendable {
    package struct Counts: Hashable, Sendable {
        package var connections: UInt64 = 0
        /// From the caller to the backend.
        package var bytesIn: UInt64 = 0
        package var bytesOut: UInt64 = 0

        package init() {}

        mutating func add(_ flow: Conntrack.Flow) {
            connections += 1
            bytesIn += flow.originalBytes
            bytesOut += flow.replyBytes
        }
    }

    package struct Live: Hashable, Sendable {
        /// Everything that the kernel still knows of.
        package var known = Counts()
        /// Of those, the connections over which something may still come.
        package var open = 0

        package init() {}
    }

    private struct State {
        var ended: [IPAddress: Counts] = [:]
        var losses: UInt64 = 0
    }

    private let conntrack: Conntrack
    private let state = Mutex(State())

    /// Begins to listen.
    package init(_ namespace: NetworkNamespace = .host) async throws(KernelError) {
        conntrack = Conntrack(namespace)
        let socket = try await namespace.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                return try NetlinkSocket(.netfilter, groups: [UInt32(NFNLGRP_CONNTRACK_DESTROY.rawValue)])
            } catch {
                throw error.kernelError(
                    "watch conntrack entries end", advice: "load the module: modprobe nf_conntrack_netlink")
            }
        }
        Thread.detachNewThread { [weak self] in Self.listen(socket) { self?.take($0) ?? false } }
    }

    /// What has ended since the last time that this was asked, by the backend's address.
    package func drain() -> [IPAddress: Counts] {
        state.withLock { state in
            defer { state.ended = [:] }
            return state.ended
        }
    }

    /// How often the kernel had more to say than could be heard.
    package var losses: UInt64 { state.withLock { $0.losses } }

    /// What is there now, by the backend's address.
    package func live() async throws(KernelError) -> [IPAddress: Live] {
        var all: [IPAddress: Live] = [:]
        for flow in try await conntrack.flows() where flow.isTranslated {
            all[flow.reply.source, default: Live()].known.add(flow)
            if flow.isOpen { all[flow.reply.source, default: Live()].open += 1 }
        }
        return all
    }

    private enum Heard {
        case flows([Conntrack.Flow])
        case lost
        case nothing
    }

    private func take(_ heard: Heard) -> Bool {
        state.withLock { state in
            switch heard {
            case .flows(let flows):
                for flow in flows where flow.isTranslated {
                    state.ended[flow.reply.source, default: Counts()].add(flow)
                }
            case .lost: state.losses += 1
            case .nothing: break
            }
        }
        return true
    }

    /// Hands on what is heard, until nobody wants it any more or the socket breaks.
    private static func listen(_ socket: NetlinkSocket, _ take: (Heard) -> Bool) {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        var polled = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            // In between, so that the thread ends soon after the one who wanted to know is gone.
            guard poll(&polled, 1, 1_000) > 0 else {
                guard take(.nothing) else { return }
                continue
            }
            let count = recv(socket.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                guard take(.flows(Conntrack.ended(buffer[..<count]))) else { return }
            } else if errno == ENOBUFS {
                guard take(.lost) else { return }
            } else if ![EAGAIN, EINTR].contains(errno) {
                return
            }
        }
    }
}

extension Conntrack.Flow {
    /// `IPS_DST_NAT`, of nf_conntrack_common.h.
    var isTranslated: Bool { status & 1 << 5 != 0 }

    /// Whether the one side or the other may still send: not a TCP connection that has ended and is remembered only.
    ///
    /// The kernel's states: up to CLOSE_WAIT, which is 5.
    var isOpen: Bool { tcpState.map { (1...5).contains($0) } ?? true }
}

extension Conntrack {
    /// The flows in a datagram of `NFNLGRP_CONNTRACK_DESTROY`; what cannot be read is passed over.
    fileprivate static func ended(_ bytes: ArraySlice<UInt8>) -> [Flow] {
        guard let messages = try? NetlinkMessage.split(Array(bytes)) else { return [] }
        return messages.compactMap { (try? entry($0))??.flow }
    }
}
