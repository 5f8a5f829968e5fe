/// The command that shows on the host what a hop is about.
struct HopCommand {
    private let hop: Hop

    init(_ hop: Hop) { self.hop = hop }

    /// `nil` where there is none: a process that sends is no more than what was asked.
    var text: String? { command.map { prefix + $0 } }

    /// In the hop's namespace; nothing in the host's own.
    private var prefix: String {
        let place = hop.place
        if place.kind == .host || place.path.isEmpty { return "" }
        return place.isListed
            ? "ip netns exec \(Self.quoted(place.namespace)) " : "nsenter --net=\(Self.quoted(place.path)) "
    }

    private var command: String? {
        let name = Self.quoted(hop.stage.name)
        switch hop.stage.kind {
        case .chain: return chain
        case .route: return "ip route get \(hop.before.destination)\(mark)"
        case .bridge: return "bridge fdb show br \(name)"
        case .deviceIn, .deviceOut, .cross: return "ip -d -s link show dev \(name)"
        case .encapsulate, .decapsulate: return "bridge fdb show dev \(name)"
        case .neighbor: return "ip neigh show dev \(name)"
        case .balancer: return "ipvsadm -Ln --stats"
        case .conntrack: return "conntrack -L -p \(hop.before.transport.rawValue)"
        case .socket:
            // One that asks has no socket that waits.
            guard hop.before.transport.hasPorts, hop.stage.name != "process" else { return nil }
            let flag = hop.before.transport == .tcp ? "t" : "u"
            let port = hop.before.flags.contains(.ack) ? hop.before.sourcePort : hop.before.destinationPort
            return "ss -ln\(flag)p 'sport = :\(port)'"
        }
    }

    private var mark: String { hop.before.mark == 0 ? "" : " mark 0x" + String(hop.before.mark, radix: 16) }

    /// The chain in which the last rule acted, else the base chain.
    private var chain: String? {
        let words = (hop.stage.table ?? "").split(separator: " ").map(String.init)
        guard words.count == 2 else { return nil }
        let chain = Self.quoted(hop.rules.last?.chain ?? hop.stage.name)
        let isOld = words[0] == "iptables" || words[0] == "ip6tables"
        return isOld
            ? "\(words[0]) -t \(words[1]) -nvL \(chain) --line-numbers"
            : "nft -a list chain \(words[0]) \(Self.quoted(words[1])) \(chain)"
    }

    /// As sh(1) takes it for one word.
    static func quoted(_ text: String) -> String {
        let plain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-/:@+".contains($0)) }
        return plain && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
