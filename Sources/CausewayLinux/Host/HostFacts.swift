import CausewayKernel
import CausewayModel
import Glibc

/// What a node says of itself, and what a cluster has to know of a host before it joins.
package struct HostFacts: Hashable, Sendable {
    package var hostname: String
    /// As `uname -m` says it: `x86_64`.
    package var architecture: String
    /// Billionths of a CPU.
    package var nanoCPUs: Int64
    package var memoryBytes: Int64
    /// The source of packets to the outside, by family; none where there is no default route.
    package var sourceAddresses: [IPFamily: IPAddress]
    /// The smallest MTU of the links that default routes lead to, bytes; 1500 where there is none.
    package var mtu: UInt32
    /// Links that take IPv6 routes from router advertisements as long as the host does not forward (`accept_ra` is 1).
    package var routerAdvertisementLinks: [String]
    /// Every route of the host but those of the table `local`, and our own.
    package var routes: [Rtnl.Route]
    /// From /etc/resolv.conf, in its order.
    package var nameServers: [IPAddress]
    package var searchDomains: [String]

    /// Reads all of it now, in the host's namespace.
    package static func read() async throws(KernelError) -> HostFacts {
        try await NetworkNamespace.host.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                return try HostFacts(RouteSocket())
            } catch {
                throw error.kernelError("read the host's links and routes")
            }
        }
    }

    private init(_ socket: RouteSocket) throws(NetlinkError) {
        hostname = Self.hostname
        architecture = Self.architecture
        nanoCPUs = Int64(sysconf(Int32(_SC_NPROCESSORS_ONLN))) * 1_000_000_000
        memoryBytes = Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE)))
        let resolver = Resolver(ProcFile.text("/etc/resolv.conf") ?? "")
        (nameServers, searchDomains) = (resolver.servers, resolver.search)

        let links = try socket.links()
        let names = Dictionary(links.map { ($0.index, $0.name) }) { $1 }
        routes = []
        for family in IPFamily.allCases {
            routes += try socket.routes(family).flatMap { $0.routes(names: names) }.filter {
                $0.table != Self.localTable && $0.protocol != Rtnl.causewayProtocol
            }
        }
        sourceAddresses = [:]
        for (family, probe) in Self.probes { sourceAddresses[family] = try socket.route(to: probe)?.source }
        let outward = Set(routes.filter { $0.destination.prefixLength == 0 }.compactMap(\.link))
        mtu = links.filter { outward.contains($0.name) }.map(\.mtu).min() ?? 1500
        routerAdvertisementLinks = links.map(\.name).sorted().filter {
            ProcFile.text("/proc/sys/net/ipv6/conf/\($0)/accept_ra")?.first == "1" && outward.contains($0)
        }
    }

    private static let localTable: UInt32 = 255

    /// Addresses for documentation: nobody has them, so the way to them is the way to anybody.
    private static let probes: [(IPFamily, IPAddress)] = [
        (.ip, .v4(IPv4Address(rawValue: 0xc633_6401))),
        (.ip6, .v6(IPv6Address(high: 0x2001_0db8_0000_0000, low: 1))),
    ]

    package static var hostname: String {
        (ProcFile.text("/proc/sys/kernel/hostname") ?? "").split(separator: "\n").first.map(String.init) ?? "localhost"
    }

    package static var architecture: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "" }
        return withUnsafeBytes(of: name.machine) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// resolv.conf(5), as far as it names servers and a search list.
struct Resolver: Hashable {
    var servers: [IPAddress] = []
    var search: [String] = []

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            switch words.first {
            case "nameserver":
                // A server on a link-local address has a zone, which the resolver of a task has no use for.
                if words.count > 1, let server = IPAddress(words[1]) { servers.append(server) }
            case "search": search = Array(words.dropFirst())
            case "domain": search = Array(words.dropFirst().prefix(1))
            default: break
            }
        }
    }
}
