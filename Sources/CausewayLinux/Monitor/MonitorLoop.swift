import CLinux
import CausewayKernel
import Glibc

/// What the monitor's thread does: waits, reads all there is, and says it once.
struct MonitorLoop {
    enum Place: Hashable, Sendable {
        case host
        /// The host's number for a namespace.
        case numbered(Int32)
        case everywhere
    }

    private let route: NetlinkSocket
    private let netfilter: NetlinkSocket
    private let stop: Bell
    private var filter: ChangeFilter
    /// Of nftables' transactions that have not been told to the end.
    private var unfinished: [Int32: KernelParts] = [:]
    private var buffer = [UInt8](repeating: 0, count: 128 * 1024)

    init(route: NetlinkSocket, netfilter: NetlinkSocket, stop: Bell, ourLinks: Set<UInt32>) {
        self.route = route
        self.netfilter = netfilter
        self.stop = stop
        filter = ChangeFilter(ourLinks: ourLinks)
    }

    /// Returns when it is told to stop, or a socket breaks.
    mutating func run(_ tell: (Place, KernelParts) -> Void) {
        var polled = [route.descriptor, netfilter.descriptor, stop.descriptor].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        while true {
            guard poll(&polled, nfds_t(polled.count), -1) >= 0 || errno == EINTR else { return }
            if polled[2].revents != 0 { return }
            var found: [Place: KernelParts] = [:]
            // Rules first: they are what is missed soonest.
            guard polled[1].revents == 0 || readNetfilter(&found), polled[0].revents == 0 || readRoute(&found)
            else { return }
            for (place, parts) in found { tell(place, parts) }
        }
    }

    /// Reads until nothing is left, or so much that others should be told meanwhile.
    ///
    /// Returns whether the socket is whole.
    private mutating func read(
        _ socket: NetlinkSocket, _ lost: KernelParts, _ found: inout [Place: KernelParts],
        _ take: (inout MonitorLoop, NetlinkMessage, Int32, inout [Place: KernelParts]) -> Void
    ) -> Bool {
        for _ in 0..<256 {
            var number: Int32 = -1
            let length = clinux_receive(socket.descriptor, &buffer, UInt(buffer.count), &number)
            guard length >= 0 else {
                if errno == ENOBUFS {
                    found[.everywhere, default: []].formUnion(lost)
                    continue
                }
                return errno == EAGAIN || errno == EINTR
            }
            do throws(NetlinkReader.Malformed) {
                for message in try NetlinkMessage.split(Array(buffer[..<length])) {
                    take(&self, message, number, &found)
                }
            } catch {
                found[Self.place(number), default: []].formUnion(lost)
            }
        }
        return true
    }

    private static func place(_ number: Int32) -> Place { number < 0 ? .host : .numbered(number) }

    private mutating func readRoute(_ found: inout [Place: KernelParts]) -> Bool {
        read(route, [.links, .sysctls], &found) { loop, message, number, found in
            let parts = loop.filter.route(message, isHost: number < 0)
            if !parts.isEmpty { found[Self.place(number), default: []].formUnion(parts) }
        }
    }

    /// A transaction is told message by message, and its end by one of its own: before that there is nothing to look at.
    private mutating func readNetfilter(_ found: inout [Place: KernelParts]) -> Bool {
        let isWhole = read(netfilter, [.tables, .forward, .firewall], &found) { loop, message, number, found in
            loop.unfinished[number, default: []].formUnion(loop.filter.netfilter(message, isHost: number < 0))
            guard ChangeFilter.endsTransaction(message), let parts = loop.unfinished.removeValue(forKey: number),
                !parts.isEmpty
            else { return }
            found[Self.place(number), default: []].formUnion(parts)
        }
        // The end of one may be among what was lost.
        if found[.everywhere] != nil { unfinished = [:] }
        return isWhole
    }
}
