import CausewayModel

/// Turns the parts of nft's JSON into values.
enum NftReader {
    // MARK: sets and maps

    static func set(_ body: JSONValue, name: String) -> Nft.Set {
        let data = body["map"].map(types)
        let elements = (body["elem"]?.array ?? []).map { element($0, isMap: data != nil) }
        return Nft.Set(
            name: name, key: body["type"].map(types) ?? [.other], data: data,
            flags: (body["flags"]?.list ?? []).compactMap(\.string), elements: elements)
    }

    /// A list of names, one name, or one text with all names: `ipv4_addr . inet_service`.
    private static func types(_ value: JSONValue) -> [Nft.DataType] {
        let names = value.list.compactMap(\.string).flatMap { $0.split(separator: " ").filter { $0 != "." } }
        // What `numgen` draws is never alone in a set of ours: a zone is.
        if names == ["integer"] { return [.zone] }
        return names.map { Nft.DataType(rawValue: String($0)) ?? .other }
    }

    /// `KEY` or `[KEY, DATA]`, where `KEY` may be wrapped to carry a comment.
    static func element(_ value: JSONValue, isMap: Bool) -> Nft.Element {
        guard isMap, let pair = value.array, pair.count == 2 else { return key(value) }
        var element = key(pair[0])
        if let verdict = verdict(pair[1]) {
            element.verdict = verdict
        } else {
            element.data = parts(constant(pair[1]))
        }
        return element
    }

    private static func key(_ value: JSONValue) -> Nft.Element {
        guard let body = value["elem"], let inner = body["val"] else {
            return Nft.Element(key: parts(constant(value)))
        }
        return Nft.Element(key: parts(constant(inner)), comment: body["comment"]?.string)
    }

    private static func parts(_ value: Nft.Value) -> [Nft.Value] {
        if case .concatenation(let parts) = value { parts } else { [value] }
    }

    // MARK: constants

    /// A constant, or its JSON as a name when it is none that we know.
    static func constant(_ value: JSONValue) -> Nft.Value {
        constantIfKnown(value) ?? .name(value.compact)
    }

    static func constantIfKnown(_ value: JSONValue) -> Nft.Value? {
        switch value {
        case .number: return value.unsigned.map { .number($0) } ?? .name(value.compact)
        case .string(let text): return string(text)
        case .bool(let flag): return .name(flag ? "exists" : "missing")
        default: break
        }
        guard let member = value.only else { return nil }
        switch member.key {
        case "prefix": return prefix(member.value)
        case "range":
            guard let ends = member.value.array, ends.count == 2, let low = constantIfKnown(ends[0]),
                let high = constantIfKnown(ends[1])
            else { return nil }
            return .range(low, high)
        case "set": return anonymousSet(member.value)
        case "concat": return concatenation(member.value)
        case "elem": return member.value["val"].flatMap(constantIfKnown)
        default: return nil
        }
    }

    private static func string(_ text: String) -> Nft.Value {
        if text.hasPrefix("@") { return .set(String(text.dropFirst())) }
        return IPAddress(text).map { .address($0) } ?? .name(text)
    }

    private static func prefix(_ body: JSONValue) -> Nft.Value? {
        guard let length = body["len"]?.unsigned, length <= 128, let address = body["addr"] else { return nil }
        if let address = address.string.flatMap({ IPAddress($0) }) {
            return CIDR(address, Int(length)).map { .prefix($0) }
        }
        // A mark's interval, when it fits a mask.
        guard let first = address.unsigned, length <= 32, first <= UInt64(UInt32.max) else { return nil }
        return .range(.number(first), .number(first | (0xffff_ffff >> length)))
    }

    private static func anonymousSet(_ value: JSONValue) -> Nft.Value? {
        let items = value.list
        if items.contains(where: { $0.array?.count == 2 }) {
            return .anonymousMap(items.map { element($0, isMap: true) })
        }
        let values = items.compactMap(constantIfKnown)
        return values.count == items.count ? .anonymousSet(values) : nil
    }

    private static func concatenation(_ value: JSONValue) -> Nft.Value? {
        let values = value.list.compactMap(constantIfKnown)
        return values.count == value.list.count ? .concatenation(values) : nil
    }
}
