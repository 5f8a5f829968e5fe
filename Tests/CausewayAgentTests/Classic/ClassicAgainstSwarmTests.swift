import CausewayKernel
import CausewayModel
import CausewayTestKit
import Foundation
import Testing

@testable import CausewayAgent

/// What is compiled for the recorded cluster, against what Docker Swarm 20.10 had built there, object by object.
///
/// Every difference is listed, and docs/dataplane/classic.md says why each is there.
@Suite struct ClassicAgainstSwarmTests {
    private let desired: DesiredNode
    private let recorded: Inventory

    init() throws {
        var facts = NodeFacts()
        facts.filtersBridges = true
        desired = AssignmentCompiler().compile(ClassicShop.assignment(), facts: facts)
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("CausewayPathTests/Fixtures/docker-swarm-20.10/hosta")
            .resolvingSymlinksInPath()
        var files: [String: [UInt8]] = [:]
        for case let file as URL in try #require(
            FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        where !file.hasDirectoryPath {
            let name = String(file.resolvingSymlinksInPath().path.dropFirst(folder.path.count + 1))
            files[name] = Array(try Data(contentsOf: file))
        }
        recorded = try Recording(files: files, fallbackName: "hosta").inventory()
    }

    private func swarm(_ name: String) throws -> SandboxFacts {
        SandboxFacts(try #require(recorded.namespaces.first { $0.name == name }))
    }

    private func swarm(task address: String) throws -> SandboxFacts {
        SandboxFacts(
            try #require(
                recorded.namespaces.first { $0.addresses.contains { $0.address.description == address } }))
    }

    private func ours(_ name: String) throws -> SandboxFacts { SandboxFacts(try #require(desired.namespaces[name])) }

    @Test(arguments: [("ingress_sbox", "cw-ingress_sbox"), ("lb_0wqu25uvv", "cw-lb_0wqu25uvv")])
    func `a balancer is the same but for the resolver's rules`(theirs: String, own: String) throws {
        let (swarm, ours) = (try swarm(theirs), try ours(own))

        #expect(swarm.missing(in: ours) == ClassicDifference.resolverRules)
        #expect(ours.missing(in: swarm) == [])
        #expect(ours.order(as: swarm))
    }

    @Test(arguments: [("1-4zh0gkbiba", "cw-1-4zh0gkbiba"), ("1-0wqu25uvvf", "cw-1-0wqu25uvvf")])
    func `a network's bridge and tunnel are the same, but the tunnel learns nothing and says where it is`(
        theirs: String, own: String
    ) throws {
        let (swarm, ours) = (try swarm(theirs), try ours(own))

        #expect(swarm.missing(in: ours) == ["tunnel vxlan0: learns", "tunnel vxlan0: local unset"])
        #expect(ours.missing(in: swarm) == ["tunnel vxlan0: local 192.168.77.11"])
    }

    @Test(arguments: [
        ("10.0.0.5/24", "web", 2), ("10.0.0.7/24", "web", 4), ("10.0.1.10/24", "api", 1), ("10.0.1.15/24", "glob", 1),
        ("10.0.1.17/24", "rr", 1),
    ])
    func `a task is the same but for the resolver's rules`(address: String, service: String, slot: Int) throws {
        let (swarm, ours) = (try swarm(task: address), try ours(ClassicShop.namespace(service, slot)))

        #expect(swarm.missing(in: ours) == ClassicDifference.resolverRules)
        #expect(ours.missing(in: swarm) == [])
        #expect(ours.order(as: swarm))
    }

    @Test func `the host has Docker's rules for the bridge, in their order`() throws {
        let host = try #require(recorded.namespaces.first { $0.name == "host" })
        let theirs = SandboxFacts(host).only { $0.contains("docker_gwbridge") || $0.contains("DOCKER-INGRESS") }
        let all = SandboxFacts(desired.host)
        let ours = all.only { $0.contains("docker_gwbridge") || $0.contains("DOCKER-INGRESS") }

        #expect(
            theirs.missing(in: ours)
                == (ClassicDifference.rulesInDockersChains + ["link docker_gwbridge mtu 1500 master - address any"])
                .sorted())
        // The MTU is left to the kernel, which takes its ports': what we set of a bridge would mark it as ours.
        #expect(
            ours.missing(in: theirs)
                == ClassicDifference.rulesInTheirPlace + ["link docker_gwbridge mtu 0 master - address any"])
        #expect(ours.order(as: theirs))
    }
}

/// What a namespace holds, one line for each object, without what differs from run to run: names of veths, marks, ports
/// of the resolver.
private struct SandboxFacts {
    private var lines: [String] = []

    init(_ state: NamespaceState) {
        add(state.links.map { Self.withMaster($0) }, state.links.compactMap(\.tunnel).first)
        lines += state.addresses.filter { $0.link != "lo" && $0.address.family == .ip }.map(Self.line)
        lines += state.routes.filter { $0.table == 254 && $0.protocol != 2 && $0.destination.family == .ip }.map(
            Self.line)
        lines += state.neighbors.filter { $0.state == "permanent" }.map { Self.line($0.neighbor) }
        lines += state.forwarding.filter { $0.isLearned != true }.map(Self.line)
        add(state.iptables, state.ipvs, state.sysctls)
    }

    init(_ state: KernelState) {
        add(state.links.values.filter { $0.name != "cw-gone" && $0.name != "cw-vxlan" }, nil)
        lines += state.addresses.map(Self.line)
        lines += state.routes.filter { $0.table == 254 }.map(Self.line)
        lines += state.neighbors.map(Self.line)
        lines += state.forwarding.map(Self.line)
        add(state.firewall, state.balancers, state.sysctls)
    }

    private static func withMaster(_ link: NamespaceState.Link) -> Rtnl.Link {
        var result = link.link
        result.master = link.controller ?? result.master
        return result
    }

    private mutating func add(_ links: [Rtnl.Link], _ tunnel: NamespaceState.Tunnel?) {
        for link in links where link.name != "lo" {
            let isPair = link.name.hasPrefix("veth") || link.name.hasPrefix("cw-g")
            // The bridge's own end has an address of chance.
            let address = link.name.hasPrefix("eth") ? link.address?.description ?? "-" : "any"
            lines.append(
                "link \(isPair ? "veth" : link.name) mtu \(link.mtu ?? 0) master \(link.master ?? "-") address \(address)"
            )
            guard let ways = link.kind.tunnel else { continue }
            lines.append("tunnel \(link.name): number \(ways.id) port \(ways.port)")
            lines.append("tunnel \(link.name): local \(ways.local.map(\.description) ?? "unset")")
            if tunnel?.learns == true { lines.append("tunnel \(link.name): learns") }
            if case .overlayVxlan = link.kind {
                lines.append("tunnel \(link.name): answers for its neighbours")
            } else if tunnel?.answersNeighbors == true {
                lines.append("tunnel \(link.name): answers for its neighbours")
            }
        }
    }

    private mutating func add(_ tables: [IPTables.Table], _ services: [IPVS.Service], _ sysctls: [String: String]) {
        var marks: [String: String] = [:]
        for rule in tables.flatMap(\.chains).flatMap(\.rules) {
            guard case .setMark(let mark, _)? = rule.target, rule.text.hasPrefix("-d ") else { continue }
            marks[String(mark, radix: 16)] = String(rule.text.dropFirst(3).prefix { $0 != "/" })
        }
        for table in tables where table.family == .ip {
            for chain in table.chains {
                lines += chain.rules.map { "\(table.name) \(chain.name): \(Self.plain($0.text, marks))" }
            }
        }
        for service in services {
            guard case .mark(let mark) = service.key else { continue }
            let name = marks[String(mark, radix: 16)] ?? "?"
            lines.append("balancer \(name) \(service.scheduler)")
            lines += service.destinations.map {
                "balancer \(name) \($0.address):\($0.port) \($0.method) \($0.weight)"
            }
        }
        // Of the other settings the recording has nothing.
        for name in ["net.ipv4.ip_forward", "net.ipv4.vs.conntrack", "net.ipv4.conf.docker_gwbridge.route_localnet"] {
            // Where there is no balancer, Swarm and we leave them alone, and they are as the kernel has them.
            guard !services.isEmpty || name.contains("docker_gwbridge"), let value = sysctls[name] else { continue }
            lines.append("\(name) = \(value)")
        }
    }

    private static func plain(_ text: String, _ marks: [String: String]) -> String {
        var text = text
        for (mark, name) in marks { text = text.replacing("0x\(mark)/0xffffffff", with: "MARK-OF-\(name)") }
        text = text.replacing(#/--to-destination 127.0.0.11:\d+/#, with: "--to-destination 127.0.0.11:PORT")
        return text.contains("127.0.0.11") ? text.replacing(#/--sport \d+/#, with: "--sport PORT") : text
    }

    private static func line(_ address: Rtnl.Address) -> String { "address \(address.link) \(address.address)" }

    private static func line(_ route: Rtnl.Route) -> String {
        "route \(route.destination) by \(route.gateway.map(\.description) ?? "-") \(route.link ?? "-")"
    }

    private static func line(_ neighbor: Rtnl.Neighbor) -> String {
        "neighbour \(neighbor.link) \(neighbor.destination) \(neighbor.address)"
    }

    private static func line(_ entry: Rtnl.ForwardingEntry) -> String {
        "forward \(entry.link) \(entry.address) \(entry.destination)"
    }

    func only(_ isWanted: (String) -> Bool) -> SandboxFacts {
        var facts = self
        facts.lines.removeAll { !isWanted($0) }
        return facts
    }

    /// Lines that the other has not, or not as often; sorted.
    func missing(in other: SandboxFacts) -> [String] {
        var left = other.lines
        return lines.filter { line in
            guard let index = left.firstIndex(of: line) else { return true }
            left.remove(at: index)
            return false
        }.sorted()
    }

    /// Whether the rules that both have stand in one order, chain by chain.
    ///
    /// Of marks the order says nothing: each is of another packet.
    func order(as other: SandboxFacts) -> Bool {
        func chains(_ facts: SandboxFacts, common: SandboxFacts) -> [String: [String]] {
            let rules = facts.lines.filter { $0.contains(": ") && $0.contains(" -j ") && !$0.contains("MARK-OF-") }
            return Dictionary(grouping: rules.filter(common.lines.contains)) {
                String($0.prefix { $0 != ":" })
            }
        }
        return chains(self, common: other) == chains(other, common: self)
    }
}
