import CausewayTestKit

/// Rules, routes and packets by chance, of the kinds that Docker, firewalls and people write.
struct GeneratedRules {
    var nft = ""
    var iptables = ""
    var routes = ""

    private var chance: SeededGenerator
    private static let addresses = ["10.1.1.2", "10.2.1.2", "10.2.2.2", "10.9.9.9", "10.1.1.1"]
    private static let prefixes = ["10.1.1.0/24", "10.2.0.0/16", "10.0.0.0/8", "10.9.9.9", "10.2.1.2", "192.0.2.0/24"]
    static let ports: [UInt16] = [80, 81, 443, 53]
    private static let links = ["r0", "r1", "r2"]

    init(seed: UInt64) {
        chance = SeededGenerator(seed: seed)
        let kind = Int.random(in: 0..<4, using: &chance)
        // A table that is there first goes last among equals: in both orders.
        if kind != 0 { writeIPTables() }
        if kind != 1 { writeNft() }
        writeRoutes()
    }

    private mutating func one<T>(_ all: [T]) -> T { all[Int.random(in: 0..<all.count, using: &chance)] }
    private mutating func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &chance) < percent }

    // MARK: routes

    private mutating func writeRoutes() {
        var lines = ["ip rule flush; ip rule add pref 32766 lookup main; ip rule add pref 32767 lookup default"]
        lines.append("ip rule add pref 0 lookup local 2>/dev/null || true")
        lines.append("ip route replace 10.9.9.9 via \(one(["10.2.1.2", "10.2.2.2"]))")
        lines.append("ip route flush table 100 2>/dev/null || true")
        lines.append("ip route add 10.9.9.9 via \(one(["10.2.1.2", "10.2.2.2"])) table 100")
        if happens(60) { lines.append("ip rule add pref 100 fwmark 0x\(one(["1", "2", "3"])) lookup 100") }
        if happens(20) { lines.append("ip route add \(one(["blackhole", "unreachable"])) 10.2.2.2 table 100") }
        lines.append("sysctl -qw net.ipv4.conf.all.rp_filter=\(happens(20) ? 1 : 0)")
        routes = lines.joined(separator: "\n")
    }

    // MARK: nftables

    private mutating func writeNft() {
        for number in 0..<Int.random(in: 1...3, using: &chance) { nft += table(number) }
    }

    private mutating func table(_ number: Int) -> String {
        let family = one(["inet", "ip"])
        var text = "table \(family) t\(number) {\n"
        text += " set s { type ipv4_addr; flags interval; elements = { \(one(Self.prefixes)) } }\n"
        text += " map v { type inet_service : verdict; elements = { \(one(Self.ports)) : \(verdict([])) } }\n"
        // A leaf is named in its callers, so it comes first.
        for leaf in 0..<2 {
            text += " chain leaf\(leaf) {\n"
            for _ in 0..<Int.random(in: 0...2, using: &chance) { text += "  \(rule([]))\n" }
            text += " }\n"
        }
        for base in 0..<Int.random(in: 1...4, using: &chance) { text += chain(base) }
        return text + "}\n"
    }

    private mutating func chain(_ number: Int) -> String {
        if happens(35) { return natChain(number) }
        let hook = one(["prerouting", "input", "forward", "output", "postrouting"])
        let priority = one([-310, -150, -10, 0, 0, 0, 10, 50, 110])
        let policy = happens(10) ? "drop" : "accept"
        var text = " chain b\(number) {\n  type filter hook \(hook) priority \(priority); policy \(policy);\n"
        for _ in 0..<Int.random(in: 0...5, using: &chance) {
            if priority == -310, happens(10) {
                text += "  \(matches(allowsState: false)) notrack\n"
            } else {
                text += "  \(rule(["leaf0", "leaf1"], mayReject: ["input", "forward"].contains(hook)))\n"
            }
        }
        return text + " }\n"
    }

    private mutating func natChain(_ number: Int) -> String {
        let isSource = happens(50)
        let hook = isSource ? "postrouting" : "prerouting"
        var text =
            " chain n\(number) {\n  type nat hook \(hook) priority \(one([-100, -90, 100, 90])); policy accept;\n"
        for _ in 0..<Int.random(in: 0...3, using: &chance) {
            let isTCP = !isSource && happens(50)
            let match = matches(allowsState: false, isTCP: isTCP)
            if isSource {
                text += "  \(match) \(one(["masquerade", "snat ip to 10.2.1.1", "snat ip to 10.2.2.1", "accept"]))\n"
            } else {
                let target = one(["10.2.1.2", "10.2.2.2", "10.9.9.9"])
                let port = one(Self.ports)
                text +=
                    !isTCP
                    ? "  \(match) dnat ip to \(target)\n"
                    : "  meta l4proto tcp \(match) \(one(["dnat ip to \(target):\(port)", "redirect to :\(port)"]))\n"
            }
        }
        return text + " }\n"
    }

    /// `isTCP`: the rule says so already.
    private mutating func matches(allowsState: Bool, isTCP: Bool = false) -> String {
        var all: [String] = []
        if happens(30) { all.append("ip \(one(["saddr", "daddr"])) \(happens(20) ? "!= " : "")\(one(Self.prefixes))") }
        if happens(10) { all.append("ip daddr @s") }
        if happens(15) { all.append("iifname \(one(["", "!= "]))\"\(one(Self.links))\"") }
        let names = !isTCP && happens(20)
        if names { all.append("meta l4proto \(one(["tcp", "udp", "icmp", "{ tcp, udp }"]))") }
        if happens(25) {
            all.append(
                "\(names || isTCP ? "th" : one(["tcp", "udp", "th"])) dport \(one(["80", "53", "{ 80, 443 }", "80-90", "!= 81", "443"]))"
            )
        }
        if happens(15) { all.append("meta mark \(one(["0x1", "0x2", "!= 0x0"]))") }
        if happens(5) { all.append("meta mark & 0x1 == 0x1") }
        if allowsState, happens(15) { all.append("ct state \(one(["new", "established,related", "invalid"]))") }
        if happens(20) { all.append("counter") }
        return all.joined(separator: " ")
    }

    private mutating func verdict(_ jumps: [String]) -> String {
        var all = ["accept", "accept", "continue", "return", "drop"]
        all += jumps.flatMap { ["jump \($0)", "jump \($0)", "goto \($0)"] }
        return one(all)
    }

    private mutating func rule(_ jumps: [String], mayReject: Bool = false) -> String {
        let rejects = mayReject && happens(8)
        let match = matches(allowsState: true, isTCP: rejects)
        if rejects { return "meta l4proto tcp \(match) reject with tcp reset" }
        switch Int.random(in: 0..<10, using: &chance) {
        case 0...3: return "\(match) meta mark set 0x\(one(["1", "2", "3"]))"
        case 4: return match.isEmpty ? "counter" : match
        case 5: return "\(match) meta mark set meta mark | 0x\(one(["1", "2"])) \(verdict(jumps))"
        case 6: return "meta l4proto { tcp, udp } th dport vmap @v"
        case 7: return "\(match) ct mark set 0x\(one(["1", "2"])) comment \"by chance\""
        default: return "\(match) \(verdict(jumps))"
        }
    }

    // MARK: iptables

    private mutating func writeIPTables() {
        if happens(30) { iptables += rawTable() }
        if happens(40) { iptables += mangleTable() }
        if happens(60) { iptables += natTable() }
        iptables += filterTable()
    }

    private mutating func match() -> String {
        var all: [String] = []
        let transport = one(["tcp", "udp", "icmp", ""])
        if happens(30) { all.append("\(happens(20) ? "! " : "")\(one(["-s", "-d"])) \(one(Self.prefixes))") }
        if !transport.isEmpty { all.append("-p \(transport)") }
        if ["tcp", "udp"].contains(transport), happens(60) {
            all.append(
                one(["--dport 80", "--dport 53", "-m multiport --dports 80,443", "--dport 80:90", "! --dport 81"]))
        }
        if happens(15) { all.append("-m mark --mark \(one(["0x1", "0x2", "0x1/0x1"]))") }
        if happens(15) { all.append("-m comment --comment \"by chance\"") }
        return all.joined(separator: " ")
    }

    private mutating func rawTable() -> String {
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING \(match()) -j ACCEPT\nCOMMIT\n"
    }

    private mutating func mangleTable() -> String {
        var text = "*mangle\n"
        for name in ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] { text += ":\(name) ACCEPT [0:0]\n" }
        for _ in 0..<Int.random(in: 1...4, using: &chance) {
            let chain = one(["PREROUTING", "FORWARD", "POSTROUTING", "INPUT"])
            let action = one(["MARK --set-xmark 0x1/0xffffffff", "MARK --set-xmark 0x2/0x3", "ACCEPT", "RETURN"])
            text += "-A \(chain) \(match()) -j \(action)\n"
        }
        return text + "COMMIT\n"
    }

    private mutating func natTable() -> String {
        var text = "*nat\n"
        for name in ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"] { text += ":\(name) ACCEPT [0:0]\n" }
        text += ":DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
        for _ in 0..<Int.random(in: 0...3, using: &chance) {
            let target = one(["10.2.1.2:80", "10.2.2.2:443", "10.9.9.9:80"])
            let action = one(["DNAT --to-destination \(target)", "REDIRECT --to-ports 81", "RETURN"])
            text += "-A \(one(["DOCKER", "PREROUTING"])) -p tcp -m tcp --dport \(one(Self.ports)) -j \(action)\n"
        }
        for _ in 0..<Int.random(in: 0...2, using: &chance) {
            let action = one(["MASQUERADE", "SNAT --to-source 10.2.1.1", "RETURN"])
            text += "-A POSTROUTING \(match()) -j \(action)\n"
        }
        return text + "COMMIT\n"
    }

    private mutating func filterTable() -> String {
        var text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD \(happens(15) ? "DROP" : "ACCEPT") [0:0]\n"
        text += ":OUTPUT ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n:LOWER - [0:0]\n-A FORWARD -j DOCKER-USER\n"
        let states = one(["RELATED,ESTABLISHED", "NEW", "INVALID"])
        text += "-A FORWARD -m conntrack --ctstate \(states) -j \(one(["ACCEPT", "LOWER"]))\n"
        for _ in 0..<Int.random(in: 0...6, using: &chance) {
            let chain = one(["INPUT", "FORWARD", "FORWARD", "DOCKER-USER", "DOCKER-USER", "LOWER"])
            var actions = ["ACCEPT", "RETURN", "DROP", "REJECT --reject-with icmp-port-unreachable"]
            if chain != "LOWER" { actions += ["LOWER", "LOWER"] }
            let interface = happens(20) && chain != "INPUT" ? "-o \(one(["r1", "r2", "r+"])) " : ""
            text += "-A \(chain) \(interface)\(match()) -j \(one(actions))\n"
        }
        return text + "COMMIT\n"
    }
}
