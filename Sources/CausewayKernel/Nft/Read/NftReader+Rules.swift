import CausewayModel

extension NftReader {
    // MARK: chains and rules

    static func base(_ body: JSONValue) -> Nft.Chain.Base? {
        guard let kind = body["type"]?.string.flatMap(Nft.Chain.Base.Kind.init(rawValue:)),
            let hook = body["hook"]?.string.flatMap(Nft.Chain.Base.Hook.init(rawValue:))
        else { return nil }
        return Nft.Chain.Base(
            kind, hook, priority: body["prio"].map(priority) ?? 0,
            policy: body["policy"]?.string == "drop" ? .drop : .accept,
            device: body["dev"]?.list.first?.string)
    }

    private static func priority(_ value: JSONValue) -> Int32 {
        if let number = value.signed { return Int32(clamping: number) }
        return value.string.flatMap { Nft.priorities[$0] } ?? 0
    }

    static func rule(_ body: JSONValue) -> Nft.Rule {
        Nft.Rule((body["expr"]?.array ?? []).map(expression), comment: body["comment"]?.string)
    }

    static func verdict(_ value: JSONValue) -> Nft.Verdict? {
        guard let member = value.only else { return nil }
        switch member.key {
        case "accept": return .accept
        case "drop": return .drop
        case "continue": return .continue
        case "return": return .return
        case "jump": return member.value["target"]?.string.map { .jump($0) }
        case "goto": return member.value["target"]?.string.map { .goto($0) }
        default: return nil
        }
    }

    static func expression(_ value: JSONValue) -> Nft.Expression {
        known(value) ?? .unknown(value.compact)
    }

    private static func known(_ value: JSONValue) -> Nft.Expression? {
        if let verdict = verdict(value) { return .verdict(verdict) }
        guard let member = value.only else { return nil }
        let body = member.value
        switch member.key {
        case "match": return match(body)
        case "vmap":
            guard let key = body["key"], let data = body["data"].flatMap(constantIfKnown) else { return nil }
            return .verdictMap(key: operand(key), in: data)
        case "counter":
            return .counter(packets: body["packets"]?.unsigned ?? 0, bytes: body["bytes"]?.unsigned ?? 0)
        case "mangle":
            guard let key = body["key"], let to = body["value"] else { return nil }
            return .set(operand(key), to: operand(to))
        case "dnat": return .dnat(nat(body))
        case "snat": return .snat(nat(body))
        case "masquerade": return masquerade(body)
        case "redirect": return .redirect(port: body["port"].map(operand))
        case "reject": return reject(body)
        case "notrack": return .notrack
        case "log": return .log(prefix: body["prefix"]?.string)
        case "limit": return limit(body)
        case "xt": return .xt(kind: body["type"]?.string ?? "", name: body["name"]?.string ?? "")
        default: return nil
        }
    }

    // MARK: statements

    private static func match(_ body: JSONValue) -> Nft.Expression? {
        guard let op = body["op"]?.string, let left = body["left"], let right = body["right"] else { return nil }
        // `tcp flags ! fin,syn`: none of these.
        if op == "!" {
            return .match(.binary("&", operand(left), operand(right)), .equal, .value(.number(0)))
        }
        guard let comparison = Nft.Comparison(rawValue: op) else { return nil }
        if comparison == .in, let list = right.array {
            return .match(operand(left), .in, .value(.anonymousSet(list.map(constant))))
        }
        return .match(operand(left), comparison, operand(right))
    }

    private static func nat(_ body: JSONValue) -> Nft.NAT {
        Nft.NAT(
            family: body["family"]?.string.flatMap(IPFamily.init(rawValue:)), address: body["addr"].map(operand),
            port: body["port"].map(operand), flags: flags(body))
    }

    private static func flags(_ body: JSONValue) -> [String] { (body["flags"]?.list ?? []).compactMap(\.string) }

    /// Ports of a masquerade, rare as they are, are kept as its first flag, as nft writes them.
    private static func masquerade(_ body: JSONValue) -> Nft.Expression {
        let ports = body["port"].map { ["to :" + operand($0).text] } ?? []
        return .masquerade(flags: ports + flags(body))
    }

    private static func reject(_ body: JSONValue) -> Nft.Expression? {
        switch body["type"]?.string {
        case "tcp reset": return .reject(.tcpReset)
        case let type?: return .reject(.icmp(type, code: body["expr"]?.string ?? "port-unreachable"))
        case nil: return .reject(.icmp("icmpx", code: "port-unreachable"))
        }
    }

    private static func limit(_ body: JSONValue) -> Nft.Expression? {
        guard let rate = body["rate"]?.unsigned, let per = body["per"]?.string else { return nil }
        return .limit(
            Nft.Limit(
                rate: rate, per: per, burst: body["burst"]?.unsigned ?? 5,
                unit: body["rate_unit"]?.string ?? "packets", isOver: body["inv"]?.isTrue ?? false))
    }
}
