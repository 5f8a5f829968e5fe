import CausewayKernel
import CausewayModel
import Foundation
import Testing

/// Plans taken with ip(8) and nft(8) in the real kernel; needs root.
///
/// `CAUSEWAY_NETNS=1` asks for it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["CAUSEWAY_NETNS"] == "1"), .serialized)
struct PlanKernelTests {
    @Test(arguments: UInt64(1)...30)
    func `Linux takes every step of a plan, and then holds what was wanted`(seed: UInt64) throws {
        var random = RandomStates(generator: SeededGenerator(seed: seed), hasDummy: false)
        let a = random.state()
        let b = random.state()
        var base = KernelState()
        base.links["lo"] = a.links["lo"]
        base.links["eth0"] = Rtnl.Link(name: "eth0", kind: .vethPeer, isUp: false)
        let out = try run(
            Self.prologue + script(Plan(from: base, to: a)) + "echo ==\n" + script(Plan(from: a, to: b)) + Self.epilogue
        )
        let lines = Set(out.split(separator: "\n").map(String.init))
        let wanted = Set(expected(b))
        #expect(lines.subtracting(wanted).sorted() == [], "seed \(seed), by the plan\n\(Plan(from: a, to: b))")
        #expect(wanted.subtracting(lines).sorted() == [], "seed \(seed), by the plan\n\(Plan(from: a, to: b))")
    }

    private static let prologue = """
        set -e
        mount -t tmpfs none /run
        mkdir -p /run/netns
        for n in n1 n2 of-cw-a of-cw-b of-cw-c of-cw-d other; do ip netns add $n; done
        ip link set lo up
        ip link add eth0 type veth peer name back netns other
        exec 3>&1 >/dev/null

        """

    /// What we see of the state at the end, in lines that sort.
    private static let epilogue = """
        exec >&3
        ip -j -d route show table all proto 213 | jq -r '.[] | ["r", .type, .dst, .gateway, .dev, .prefsrc, (.metric // 0), .metrics[0].mtu] | @csv'
        ip -6 -j -d route show table all proto 213 | jq -r '.[] | ["r", .type, .dst, .gateway, .dev, .prefsrc, (.metric // 0), .metrics[0].mtu] | @csv'
        bridge -j fdb show | jq -r '.[] | select(.dst) | ["f", .mac, .ifname, .dst] | @csv'
        for f in 4 6; do ip -$f -j rule | jq -r '.[] | select(.protocol == "213") | ["p", .priority, .table, .goto] | @csv'; done
        ip -j neigh show nud permanent | jq -r '.[] | ["n", .dst, .lladdr, .dev] | @csv'
        ip -j addr | jq -r '.[] | .ifname as $l | .addr_info[] | select(.scope == "global") | ["a", $l, .local, .prefixlen] | @csv'
        ip -j link | jq -r '.[] | select(.ifname != "lo") | ["l", .ifname, .address, .mtu, (.flags | index("UP") != null), .ifalias] | @csv'

        """

    private func expected(_ state: KernelState) -> [String] {
        func csv(_ values: Any?...) -> String {
            values.map { value in
                switch value {
                case nil: ""
                case let number as UInt32: String(number)
                case let number as Int: String(number)
                case let flag as Bool: String(flag)
                case let value?: "\"\(value)\""
                }
            }.joined(separator: ",")
        }
        func destination(_ cidr: CIDR) -> String {
            cidr.prefixLength == 0 ? "default" : cidr.isHost ? cidr.address.description : cidr.description
        }
        return state.normalised.routes.map { route in
            csv(
                "r", route.kind.rawValue, destination(route.destination), route.gateway, route.link, route.source,
                route.metric, route.mtu)
        }
            + state.forwarding.map { csv("f", $0.address, $0.link, $0.destination) }
            + state.rules.map { csv("p", $0.priority, $0.table.map(String.init), $0.target) }
            + state.neighbors.map { csv("n", $0.destination, $0.address, $0.link) }
            + state.addresses.map { csv("a", $0.link, $0.address.address, $0.address.prefixLength) }
            + state.links.values.filter { $0.name != "lo" }.map {
                csv("l", $0.name, $0.address, $0.mtu, $0.isUp, $0.alias)
            }
    }

    // MARK: as commands

    private func script(_ plan: Plan) -> String {
        plan.steps.map { step in
            "echo '\(step.description.split(separator: "\n").first ?? "")' | cut -c1-200 >&2\n" + command(step) + "\n"
        }.joined()
    }

    private func command(_ step: Plan.Step) -> String {
        switch step {
        case .linkAdd(let link): add(link)
        case .linkSet(let link, let old): set(link, from: old)
        case .linkDelete(let link): "ip link delete \(link.name)"
        case .addressAdd(let address):
            "ip address add \(address)" + (address.address.family == .ip6 ? " nodad" : "")
        case .addressDelete(let address): "ip address delete \(address)"
        case .routeAdd(let route): self.route("add", route)
        case .routeDelete(let route): self.route("delete", route)
        case .routeReplace(let route, _): self.route("replace", route)
        case .ruleAdd(let rule): self.rule("add", rule)
        case .ruleDelete(let rule): self.rule("delete", rule)
        case .forwardingAdd(let entry): "bridge fdb add \(entry)"
        case .forwardingDelete(let entry): "bridge fdb delete \(entry)"
        case .neighborAdd(let neighbor): "ip neighbour add \(neighbor) nud permanent"
        case .neighborDelete(let neighbor): "ip neighbour delete \(neighbor)"
        case .tableReplace, .tableDelete, .elementsChange: "nft -f - <<'END'\n\(step.nftCommands ?? "")\nEND"
        case .sysctlSet(let name, let value): "sysctl -w \(name)=\(value)"
        case .forwardAcceptAdd, .forwardAcceptDelete: ":"
        case .balancerAdd, .balancerDelete, .destinationAdd, .destinationSet, .destinationDelete, .firewallChange:
            step.description
        }
    }

    private func route(_ verb: String, _ route: Rtnl.Route) -> String {
        "ip -\(route.destination.family == .ip ? 4 : 6) route \(verb) "
            + route.description.replacingOccurrences(of: "::/0", with: "default")
            + " proto 213" + (route.destination.family == .ip6 ? " metric \(route.metric)" : "")
            + (route.scope == .global && route.destination.family == .ip ? " scope global" : "")
    }

    private func rule(_ verb: String, _ rule: NamespaceState.PolicyRule) -> String {
        "ip -\(rule.family == .ip ? 4 : 6) rule \(verb) \(rule.description.replacing("-6 ", with: "")) protocol 213"
    }

    private func add(_ link: Rtnl.Link) -> String {
        let kind =
            if case .veth(let peer, let namespace) = link.kind {
                "veth peer name \(peer) netns \(namespace)"
            } else {
                link.kind.description
            }
        return "ip link add \(link.name) type \(kind)\n"
            + set(link, from: Rtnl.Link(name: link.name, kind: link.kind, isUp: false))
    }

    private func set(_ link: Rtnl.Link, from old: Rtnl.Link) -> String {
        var text = ""
        if let mac = link.address, mac != old.address { text += "ip link set \(link.name) address \(mac)\n" }
        if let mtu = link.mtu, mtu != old.mtu { text += "ip link set \(link.name) mtu \(mtu)\n" }
        if link.alias != old.alias { text += "ip link set \(link.name) alias '\(link.alias ?? "")'\n" }
        if link.master != old.master {
            text += "ip link set \(link.name) \(link.master.map { "master \($0)" } ?? "nomaster")\n"
        }
        if link.isUp != old.isUp { text += "ip link set \(link.name) \(link.isUp ? "up" : "down")\n" }
        return text
    }

    private func run(_ script: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-s"]
        let input = Pipe()
        let output = Pipe()
        let errors = FileManager.default.temporaryDirectory
            .appendingPathComponent("causeway-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: errors) }
        try Data().write(to: errors)
        process.standardInput = input
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        input.fileHandleForWriting.write(Data(script.utf8))
        try input.fileHandleForWriting.close()
        let out = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let said = String(decoding: try Data(contentsOf: errors), as: UTF8.self)
        #expect(process.terminationStatus == 0, "\(said.suffix(600))")
        return out
    }
}
