import CausewayKernel
import CausewayModel

@testable import CausewayPath

/// Two nodes of a cluster, made by hand: `web.1` is on n1, `web.2` on n2, and 8080 is published.
struct TwoHosts {
    var first = Self.node(1)
    var second = Self.node(2)
    /// Changes what the tables say, after they were made.
    var editSecond: (inout Nft.Table) -> Void = { _ in }

    static func tunnelAddress(_ number: Int) -> String { "100.64.0.\(number)" }
    static func dataAddress(_ number: Int) -> String { "192.0.2.\(number + 1)" }

    init() {
        first.addTask("web", 1, addresses: ["10.0.0.5", "10.0.1.5"])
        first.addTask("client", 1, addresses: ["10.0.1.20"], port: nil)
        second.addTask("web", 2, addresses: ["10.0.0.6", "10.0.1.6"])
        for address in ["10.0.0.6", "10.0.1.6"] { Self.lead(&first, to: address, by: 2) }
        for address in ["10.0.0.5", "10.0.1.5", "10.0.1.20"] { Self.lead(&second, to: address, by: 1) }
        for path in [\TwoHosts.first, \.second] {
            // Our routes are in our own table, which is asked before the marks.
            for index in self[keyPath: path].host.routes.indices
            where self[keyPath: path].host.routes[index].link?.hasPrefix("cw-web") == true
                || self[keyPath: path].host.routes[index].link?.hasPrefix("cw-client") == true
            {
                self[keyPath: path].host.routes[index].table = 213
            }
            self[keyPath: path].publish(8080, to: [("10.0.0.5", 80), ("10.0.0.6", 80)])
            self[keyPath: path].addNetwork("10.0.1.0/24")
            self[keyPath: path].addVirtualIP("10.0.1.2", to: ["10.0.1.5", "10.0.1.6"])
        }
    }

    /// A node's own namespace, with its tunnel to the other one.
    static func node(_ number: Int) -> Host {
        var node = Host()
        let other = 3 - number
        node.host.addresses[1] = node.address("eth0", "\(dataAddress(number))/24")
        node.host.addresses[2] = node.address("eth0", "2001:db8:1::\(number + 1)/64")
        node.addLink(
            &node.host, 5, "cw-vxlan", .vxlan(id: 4095, local: IPAddress(dataAddress(number)), port: 4789),
            mac: Tunnel.macAddress(ofNode: number).description)
        node.host.addresses.append(node.address("cw-vxlan", tunnelAddress(number) + "/32"))
        node.host.neighbors.append(
            node.neighbor("cw-vxlan", tunnelAddress(other), Tunnel.macAddress(ofNode: other).description))
        node.host.forwarding = [
            Rtnl.ForwardingEntry(
                link: "cw-vxlan", address: Tunnel.macAddress(ofNode: other),
                destination: IPAddress(dataAddress(other))!)
        ]
        var back = node.route("0.0.0.0/0", "cw-vxlan", via: tunnelAddress(other))
        back.table = 2_130_000 + UInt32(other)
        node.host.routes.append(back)
        node.host.rules = rules(other)
        node.host.sysctls["net.ipv4.conf.cw-vxlan.src_valid_mark"] = "1"
        return node
    }

    private static func lead(_ host: inout Host, to address: String, by node: Int) {
        var route = host.route("\(address)/32", "cw-vxlan", via: tunnelAddress(node))
        route.table = 213
        host.host.routes.append(route)
    }

    /// The mark of another node leads to the table with the way to it.
    private static func rules(_ other: Int) -> [NamespaceState.PolicyRule] {
        func rule(_ priority: UInt32, _ table: UInt32) -> NamespaceState.PolicyRule {
            NamespaceState.PolicyRule(family: .ip, priority: priority, table: table)
        }
        return [
            rule(0, 255), rule(21_300, 213),
            NamespaceState.PolicyRule(
                family: .ip, priority: 21_301, mark: 0, markMask: 0x0fff_0000, action: "goto", target: 21_950),
            NamespaceState.PolicyRule(
                family: .ip, priority: 21_400, mark: UInt32(other) << 16, markMask: 0x0fff_0000,
                table: 2_130_000 + UInt32(other)),
            NamespaceState.PolicyRule(family: .ip, priority: 21_950, action: "nop"), rule(32_766, 254),
        ]
    }

    var inventories: [Inventory] {
        var inventories = [first.inventory, second.inventory]
        for index in inventories.indices {
            inventories[index].hostname = "n\(index + 1)"
            inventories[index].machine = "machine \(index + 1)"
            Self.join(&inventories[index].namespaces[0].tables[0], other: 2 - index)
        }
        editSecond(&inventories[1].namespaces[0].tables[0])
        return inventories
    }

    func ask(
        _ question: Question, at host: String? = nil, choice: Int = 0, length: Int? = nil
    ) throws -> Trace {
        let tracer = try PathTracer(inventories, at: host)
        var answer = try tracer.resolve(question)
        answer.packet.length = length
        return try tracer.trace(answer.packet, from: answer.entry, choice: choice, isReturning: true)
    }

    /// From outside, by n1, to the task on n2.
    func cross(length: Int? = nil) throws -> Trace {
        try ask(Question(target: "web:8080"), choice: 1, length: length)
    }
}

extension TwoHosts {
    private static let isFromTunnel: Nft.Expression = .match(
        .meta("iifname"), .equal, .value(.name("cw-vxlan")))

    /// What the tunnel adds to the table, as the compiler has it.
    private static func join(_ table: inout Nft.Table, other: Int) {
        let mac = Tunnel.macAddress(ofNode: other).description
        let zone = Nft.Value.number(UInt64(other))
        table.sets += [
            Nft.Set(
                name: "node_of", key: [.etherAddress], data: [.other],
                elements: [Nft.Element(key: [.name(mac)], data: [zone])]),
            Nft.Set(
                name: "mark_of", key: [.other], data: [.mark],
                elements: [Nft.Element(key: [zone], data: [.number(UInt64(other) << 16)])]),
            Nft.Set(
                name: "peers4", key: [.ipv4Address],
                elements: [Nft.Element(key: [.address(IPAddress(dataAddress(other))!)])]),
        ]
        edit(&table, "source") {
            $0 = [Nft.Rule([isFromTunnel, .verdict(.goto("from_tunnel"))])] + $0 + [outer("underlay")]
        }
        edit(&table, "forward") {
            $0.insert(Nft.Rule([isFromTunnel, .verdict(.accept)], comment: "published at another node"), at: 2)
        }
        table.chains += [fromTunnel, underlay, underlayOut, entryMark, tunnelOut]
    }

    static func edit(_ table: inout Nft.Table, _ chain: String, _ change: (inout [Nft.Rule]) -> Void) {
        for index in table.chains.indices where table.chains[index].name == chain {
            change(&table.chains[index].rules)
        }
    }

    private static func outer(_ chain: String?) -> Nft.Rule {
        Nft.Rule([
            .match(.payload("udp", "dport"), .equal, .value(.number(4789))),
            .match(.payload("@th", "96,24"), .equal, .value(.number(4095))),
            chain.map { .verdict(.goto($0)) } ?? .notrack,
        ])
    }

    private static var fromTunnel: Nft.Chain {
        Nft.Chain(
            name: "from_tunnel",
            rules: [
                Nft.Rule([
                    .set(
                        .ct("zone", direction: "original"),
                        to: .map(key: .payload("ether", "saddr"), in: .set("node_of"))),
                    .verdict(.accept),
                ]),
                Nft.Rule([.counter(), .verdict(.drop)], comment: "from no node of the cluster"),
            ])
    }

    private static var underlay: Nft.Chain {
        Nft.Chain(
            name: "underlay",
            rules: [
                Nft.Rule([
                    .match(.payload("ip", "saddr"), .equal, .value(.set("peers4"))), .notrack, .verdict(.accept),
                ]),
                Nft.Rule([.counter(), .verdict(.drop)], comment: "a tunnel packet from no node of the cluster"),
            ])
    }

    private static var underlayOut: Nft.Chain {
        Nft.Chain(name: "underlay_out", base: .init(.filter, .output, priority: -300), rules: [outer(nil)])
    }

    private static var entryMark: Nft.Chain {
        Nft.Chain(
            name: "entry_mark", base: .init(.filter, .prerouting, priority: -150),
            rules: [
                Nft.Rule([
                    .match(.meta("iifname"), .equal, .value(.name("cw-*"))),
                    .set(.meta("mark"), to: .map(key: .ct("zone", direction: "original"), in: .set("mark_of"))),
                ])
            ])
    }

    private static var tunnelOut: Nft.Chain {
        Nft.Chain(
            name: "tunnel_out", base: .init(.filter, .postrouting, priority: -150),
            rules: [
                Nft.Rule([
                    .match(.meta("oifname"), .equal, .value(.name("cw-vxlan"))),
                    .set(.meta("mark"), to: .binary("&", .meta("mark"), .value(.number(0xf000_ffff)))),
                ])
            ])
    }
}
