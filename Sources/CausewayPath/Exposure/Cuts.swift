import CausewayKernel
import CausewayModel

/// Where the rules and sockets of an inventory cut the range of ports and the space of source addresses.
///
/// Too many cuts cost time, too few would hide something: what cannot be told apart is taken as a cut.
struct Cuts: Sendable {
    /// Neighbouring ports that no rule tells apart.
    struct Ports: Hashable, Sendable {
        var range: ClosedRange<UInt16>
        /// Of ports that are named nowhere by themselves, which ranges of the rules they are in.
        ///
        /// Two with one number are alike to all rules. `nil` for a port that is named.
        var cell: Int?
    }

    /// Ports that something names.
    private var named: [Packet.Transport: Set<UInt16>] = [:]
    /// Where ranges of ports begin, and where they have ended.
    private var edges: [Packet.Transport: Set<UInt32>] = [:]
    private(set) var sources: Set<CIDR> = []

    /// Links that lead outside: what only concerns others cuts nothing.
    private let links: Set<String>

    init(_ world: World, links: Set<String>) {
        self.links = links
        for (position, space) in world.inventory.namespaces.enumerated() {
            for socket in space.sockets {
                add(socket.port...socket.port, Self.transports(UInt64(socket.protocol.number)))
            }
            for table in space.tables {
                for rule in table.chains.flatMap(\.rules) { read(rule, table, isHost: position == 0) }
            }
            for rule in space.iptables.flatMap(\.chains).flatMap(\.rules) { read(rule, isHost: position == 0) }
        }
        guard !world.inventory.namespaces.isEmpty else { return }
        for route in world[0].routes where route.destination.prefixLength > 0 {
            // A single address that a task has lies within its network's subnet.
            if !route.destination.isHost || links.contains(route.link ?? "") { sources.insert(route.destination) }
        }
        for rule in world[0].rules { if let from = rule.from { sources.insert(from) } }
    }

    static let transports: [Packet.Transport] = [.tcp, .udp]

    private static func transports(_ number: UInt64) -> [Packet.Transport] {
        transports.filter { UInt64($0.number) == number }
    }

    /// All of 1 to 65535, in order.
    func ports(_ transport: Packet.Transport) -> [Ports] {
        let named = named[transport] ?? []
        let edges = (edges[transport] ?? []).filter { (2...65_535).contains($0) }.sorted()
        let singles = named.flatMap { [UInt32($0), UInt32($0) + 1] }
        let starts = Set([1] + edges + singles).filter { (1...65_535).contains($0) }.sorted()
        return starts.enumerated().map { index, start in
            let next = index + 1 < starts.count ? starts[index + 1] : 65_536
            let range = UInt16(start)...UInt16(next - 1)
            let isNamed = range.count == 1 && named.contains(range.lowerBound)
            return Ports(range: range, cell: isNamed ? nil : edges.count { $0 <= start })
        }
    }

    private mutating func add(_ range: ClosedRange<UInt16>, _ transports: [Packet.Transport]) {
        for transport in transports {
            if range.count == 1 {
                named[transport, default: []].insert(range.lowerBound)
            } else {
                edges[transport, default: []].formUnion([UInt32(range.lowerBound), UInt32(range.upperBound) + 1])
            }
        }
    }

    // MARK: nftables

    private mutating func read(_ rule: Nft.Rule, _ table: Nft.Table, isHost: Bool) {
        // Its ports count all the same: it may be a task that asks.
        let isHost = isHost && !rule.expressions.contains(where: isOfOtherLink)
        let transports = transports(of: rule)
        for expression in rule.expressions {
            switch expression {
            case .match(.payload(_, "dport"), .less, .value(.number(let port))),
                .match(.payload(_, "dport"), .greater, .value(.number(let port))),
                .match(.payload(_, "dport"), .lessOrEqual, .value(.number(let port))),
                .match(.payload(_, "dport"), .greaterOrEqual, .value(.number(let port))):
                if let port = UInt16(exactly: port), port > 0 {
                    add(0...port - 1, transports)
                    add(0...port, transports)
                }
            case .match(let left, _, .value(let value)): read(left, value, table, transports, isHost)
            case .verdictMap(let key, let map): read(key, map, table, transports, isHost)
            case .dnat(let nat), .snat(let nat):
                for operand in [nat.address, nat.port] { read(operand, table, transports, isHost) }
            case .set(_, let operand): read(operand, table, transports, isHost)
            case .redirect(let operand): read(operand, table, transports, isHost)
            default: continue
            }
        }
    }

    /// The protocols that a rule can be about.
    private func transports(of rule: Nft.Rule) -> [Packet.Transport] {
        let only = rule.expressions.lazy.compactMap { expression -> Packet.Transport? in
            guard case .match(.meta("l4proto"), .equal, .value(.name(let name))) = expression else { return nil }
            return Packet.Transport(rawValue: name)
        }.first
        return only.map { [$0] } ?? Self.transports
    }

    private mutating func read(
        _ operand: Nft.Operand?, _ table: Nft.Table, _ transports: [Packet.Transport], _ isHost: Bool
    ) {
        if case .map(let key, let map)? = operand { read(key, map, table, transports, isHost) }
    }

    /// `iifname "cw-*"` and the like.
    private func isOfOtherLink(_ expression: Nft.Expression) -> Bool {
        guard case .match(.meta("iifname"), .equal, .value(.name(let name))) = expression else { return false }
        return !isOutside(name)
    }

    private func isOutside(_ name: String) -> Bool {
        guard let mark = name.last, mark == "*" || mark == "+" else { return links.contains(name) }
        return links.contains { $0.hasPrefix(name.dropLast()) }
    }

    private mutating func read(
        _ key: Nft.Operand, _ value: Nft.Value, _ table: Nft.Table, _ transports: [Packet.Transport], _ isHost: Bool
    ) {
        let parts: [Nft.Operand] = if case .concatenation(let parts) = key { parts } else { [key] }
        for values in keys(of: value, table) {
            var flat = values
            if flat.count == 1, case .concatenation(let inner) = flat[0] { flat = inner }
            guard flat.count == parts.count else { continue }
            let isHost = isHost && !zip(parts, flat).contains(where: isOtherLinkPart)
            let named = zip(parts, flat).lazy.compactMap(Self.transport).first
            for (part, value) in zip(parts, flat) { read(part: part, value, named.map { [$0] } ?? transports, isHost) }
        }
    }

    private func isOtherLinkPart(_ part: Nft.Operand, _ value: Nft.Value) -> Bool {
        guard part == .meta("iifname"), case .name(let name) = value else { return false }
        return !isOutside(name)
    }

    private static func transport(_ part: Nft.Operand, _ value: Nft.Value) -> Packet.Transport? {
        guard part == .meta("l4proto"), case .name(let name) = value else { return nil }
        return Packet.Transport(rawValue: name)
    }

    private func keys(of value: Nft.Value, _ table: Nft.Table) -> [[Nft.Value]] {
        switch value {
        case .set(let name):
            let clean = name.hasPrefix("@") ? String(name.dropFirst()) : name
            return table.sets.first { $0.name == clean }?.elements.map(\.key) ?? []
        case .anonymousSet(let values): return values.map { [$0] }
        case .anonymousMap(let elements): return elements.map(\.key)
        default: return [[value]]
        }
    }

    private mutating func read(
        part: Nft.Operand, _ value: Nft.Value, _ transports: [Packet.Transport], _ isHost: Bool
    ) {
        switch part {
        case .payload(let header, "dport"):
            let own = Packet.Transport(rawValue: header).map { [$0] } ?? transports
            if let range = Self.range(value) { add(range, own) }
        case .ct("proto-dst", _, _):
            if let range = Self.range(value) { add(range, transports) }
        case .payload("ip", "saddr"), .payload("ip6", "saddr"), .ct("saddr", _, _), .ct("ip saddr", _, _):
            if isHost { addSources(value) }
        default: break
        }
    }

    private static func range(_ value: Nft.Value) -> ClosedRange<UInt16>? {
        switch value {
        case .number(let number): return UInt16(exactly: number).map { $0...$0 }
        case .range(.number(let low), .number(let high)):
            guard let low = UInt16(exactly: low), let high = UInt16(exactly: high), low <= high else { return nil }
            return low...high
        default: return nil
        }
    }

    private mutating func addSources(_ value: Nft.Value) {
        switch value {
        case .address(let address): sources.insert(CIDR(host: address))
        case .prefix(let prefix): sources.insert(prefix.network)
        case .range(.address(let low), .address(let high)): sources.formUnion(CIDR.covering(low, high))
        default: break
        }
    }

    // MARK: iptables

    private mutating func read(_ rule: IPTables.Rule, isHost: Bool) {
        let isOther = rule.matches.contains { match in
            if case .incoming(let name) = match { !isOutside(name) } else { false }
        }
        let isHost = isHost && !isOther
        let numbers = rule.matches.compactMap { match in if case .protocol(let number) = match { number } else { nil } }
        let transports = numbers.first.map { Self.transports(UInt64($0)) } ?? Self.transports
        for match in rule.matches { read(match, transports, isHost) }
    }

    private mutating func read(_ match: IPTables.Match, _ transports: [Packet.Transport], _ isHost: Bool) {
        switch match {
        case .not(let inner): read(inner, transports, isHost)
        case .source(let prefix): if isHost { sources.insert(prefix.network) }
        case .destinationPort(let range): add(range, transports)
        case .destinationPorts(let ranges): for range in ranges { add(range, transports) }
        default: break
        }
    }
}

extension CIDR {
    /// The fewest prefixes that make up a range of addresses.
    static func covering(_ low: IPAddress, _ high: IPAddress) -> [CIDR] {
        var result: [CIDR] = []
        var next: IPAddress? = low
        while let start = next, start <= high, result.count < 256 {
            let best = (0...start.family.width).lazy.compactMap { CIDR(start, $0) }
                .first { $0.network.address == start && $0.last <= high }
            guard let prefix = best else { break }
            result.append(prefix)
            next = prefix.last.advanced(by: 1)
        }
        return result
    }
}
