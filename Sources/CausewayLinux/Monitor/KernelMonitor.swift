import CLinux
import CausewayKernel
import Foundation
import Glibc
import Synchronization

/// Tells which part of which namespace somebody else may have changed, for the host's and all that are watched.
///
/// Two sockets hear of every namespace that the host's has a number for (netlink(7), NETLINK_LISTEN_ALL_NSID), so that
/// no socket of ours keeps a namespace alive. A change carries no meaning beyond where to look: any number of them may
/// be told as one, and what was lost because there were too many is told as a change of everything.
package final class KernelMonitor: Sendable {
    /// Where to look.
    package struct Change: Hashable, Sendable {
        package enum Place: Hashable, Sendable {
            case host
            /// By the name under which it is watched.
            case namespace(String)
            /// Notifications were lost: anywhere.
            case everywhere
        }

        package var place: Place
        package var parts: KernelParts

        package init(_ place: Place, _ parts: KernelParts) {
            self.place = place
            self.parts = parts
        }
    }

    /// From now on; ends when a socket breaks, or with the task that iterates.
    package let changes: AsyncStream<Change>
    private let continuation: AsyncStream<Change>.Continuation
    /// The names of watched namespaces, by the host's number for them.
    private let names = Mutex<[Int32: String]>([:])

    /// Opens its sockets in the calling thread's namespace, which is the host's to it.
    package init() throws(NetlinkError) {
        let route = try NetlinkSocket(.route, groups: Self.routeGroups, hearsAll: true)
        let netfilter = try NetlinkSocket(.netfilter, groups: [UInt32(NFNLGRP_NFTABLES.rawValue)], hearsAll: true)
        guard let stop = Bell() else { throw NetlinkError(.call("eventfd"), errno: errno) }
        let ours = try RouteSocket().links().filter {
            $0.name.hasPrefix(Rtnl.linkPrefix) || $0.name == Rtnl.gatewayBridge
        }
        .map(\.index)
        (changes, continuation) = AsyncStream.makeStream(of: Change.self)
        continuation.onTermination = { _ in stop.ring() }
        let beginning = MonitorLoop(route: route, netfilter: netfilter, stop: stop, ourLinks: Set(ours))
        Thread.detachNewThread { [weak self] in
            var loop = beginning
            loop.run { number, parts in self?.tell(number, parts) }
            self?.continuation.finish()
        }
    }

    /// The same, for the namespace that this process was started in.
    package static func host() async throws(KernelError) -> KernelMonitor {
        try await NetworkNamespace.host.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                return try KernelMonitor()
            } catch {
                throw error.kernelError("watch the host's namespace")
            }
        }
    }

    deinit { continuation.finish() }

    private static var routeGroups: [UInt32] {
        [
            RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_NETCONF,
            RTNLGRP_IPV6_NETCONF,
        ].map { UInt32($0.rawValue) }
    }

    // MARK: namespaces

    /// Watches a namespace under a name from now on, in the place of one that had the name before.
    ///
    /// `host` is the namespace that the monitor was opened in.
    package func watch(
        _ name: String, _ namespace: NetworkNamespace, from host: NetworkNamespace = .host
    ) async throws(KernelError) {
        let step = "watch namespace \(namespace.path)"
        let number = try await host.performStep { () throws(KernelError) in
            let descriptor = open(namespace.path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw KernelError(step, errno: errno) }
            defer { close(descriptor) }
            do throws(NetlinkError) {
                return try RouteSocket().giveNumber(toNamespace: descriptor)
            } catch {
                throw error.kernelError(step)
            }
        }
        guard let number else { throw KernelError(step, errno: ENOENT, detail: "it has no number") }
        names.withLock { names in
            names = names.filter { $0.value != name }
            names[number] = name
        }
    }

    package func forget(_ name: String) { names.withLock { $0 = $0.filter { $0.value != name } } }

    private func tell(_ place: MonitorLoop.Place, _ parts: KernelParts) {
        switch place {
        case .host: continuation.yield(Change(.host, parts))
        case .everywhere: continuation.yield(Change(.everywhere, parts))
        case .numbered(let number):
            guard let name = names.withLock({ $0[number] }) else { return }
            continuation.yield(Change(.namespace(name), parts))
        }
    }
}

/// Wakes a thread that polls.
///
/// Its descriptor is closed when nobody holds it any more.
final class Bell: Sendable {
    let descriptor: Int32

    init?() {
        descriptor = clinux_event()
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func ring() { clinux_event_signal(descriptor) }

    /// After it was heard; waits for it otherwise.
    func silence() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
