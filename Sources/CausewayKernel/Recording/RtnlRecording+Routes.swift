import CausewayModel

extension RtnlRecording {
    func routes() throws(RecordingError) -> [Rtnl.Route] {
        try files.list(place.file("route.json")).flatMap { routes($0, .ip) }
            + (try files.list(place.file("route6.json")).flatMap { routes($0, .ip6) })
    }

    /// One for each of a route's next hops.
    private func routes(_ item: JSONValue, _ family: IPFamily) -> [Rtnl.Route] {
        guard let destination = item["dst"]?.string.flatMap({ subnet($0, family) }),
            let kind = Rtnl.Route.Kind(rawValue: item["type"]?.string ?? "unicast"),
            let table = Self.table(item["table"]?.string ?? "main")
        else { return [] }
        let flags = item["flags"]?.array?.compactMap(\.string) ?? []
        let hops = item["nexthops"]?.array ?? [item]
        return hops.map { hop in
            let gateway = (hop["gateway"]?.string ?? hop["via"]?["host"]?.string).flatMap { IPAddress($0) }
            return Rtnl.Route(
                kind: kind, destination: destination, gateway: gateway, link: hop["dev"]?.string,
                source: item["prefsrc"]?.string.flatMap { IPAddress($0) }, table: table,
                metric: number(item["metric"]) ?? 0, isOnLink: flags.contains("onlink"), scope: scope(item),
                mtu: item["metrics"]?.array?.lazy.compactMap { number($0["mtu"]) }.first,
                protocol: Self.protocol(item["protocol"]?.string ?? ""))
        }
    }

    func rules() throws(RecordingError) -> [NamespaceState.PolicyRule] {
        try files.list(place.file("rule.json")).compactMap { rule($0, .ip) }
            + (try files.list(place.file("rule6.json")).compactMap { rule($0, .ip6) })
    }

    private func rule(_ item: JSONValue, _ family: IPFamily) -> NamespaceState.PolicyRule? {
        guard let priority = number(item["priority"]) else { return nil }
        var rule = NamespaceState.PolicyRule(family: family, priority: priority)
        rule.isInverted = item["not"] != nil
        rule.from = subnet(item, "src", family)
        rule.to = subnet(item, "dst", family)
        rule.incomingLink = item["iif"]?.string
        rule.outgoingLink = item["oif"]?.string
        rule.mark = item["fwmark"].flatMap { Self.hexadecimal($0) }
        rule.markMask = item["fwmask"].flatMap { Self.hexadecimal($0) } ?? rule.mark.map { _ in .max }
        rule.table = item["table"]?.string.flatMap { Self.table($0) }
        rule.protocol = item["protocol"]?.string.map { Self.protocol($0) }
        if let target = number(item["goto"]) {
            (rule.action, rule.target) = ("goto", target)
        } else if item["nop"] != nil {
            rule.action = "nop"
        } else {
            rule.action = item["action"]?.string ?? "lookup"
        }
        return rule
    }

    // MARK: values

    /// `all` is no condition.
    private func subnet(_ item: JSONValue, _ key: String, _ family: IPFamily) -> CIDR? {
        guard let text = item[key]?.string, text != "all", let address = IPAddress(text) else { return nil }
        return CIDR(address, number(item[key + "len"]).map { Int($0) } ?? family.width)
    }

    /// `default`, `10.0.0.0/24`, `10.0.0.1`.
    private func subnet(_ text: String, _ family: IPFamily) -> CIDR? {
        if text == "default" { return CIDR(Self.any(family), 0) }
        if let address = IPAddress(text) { return address.family == family ? CIDR(host: address) : nil }
        return CIDR(text).flatMap { $0.family == family ? $0 : nil }
    }

    private static func any(_ family: IPFamily) -> IPAddress {
        family == .ip ? .v4(IPv4Address(rawValue: 0)) : .v6(IPv6Address(high: 0, low: 0))
    }

    private func scope(_ item: JSONValue) -> Rtnl.Route.Scope {
        item["scope"]?.string.flatMap { Rtnl.Route.Scope(rawValue: $0) } ?? .global
    }

    /// Names of `/etc/iproute2/rt_tables` that every host has; others are numbers, or not known here.
    private static func table(_ name: String) -> UInt32? {
        switch name {
        case "local": 255
        case "main": 254
        case "default": 253
        default: UInt32(name)
        }
    }

    /// `/etc/iproute2/rt_protos`; 0 is one that is not known here.
    private static func `protocol`(_ name: String) -> UInt8 {
        let known: [String: UInt8] = [
            "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "ra": 9, "zebra": 11, "bird": 12, "dhcp": 16,
        ]
        return known[name] ?? UInt8(name) ?? 0
    }

    private static func hexadecimal(_ value: JSONValue) -> UInt32? {
        guard let text = value.string else { return value.unsigned.flatMap { UInt32(exactly: $0) } }
        return text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
    }
}
