import CausewayModel

extension Nft.Table {
    /// The table in the one form that all its spellings share: what was written compares equal to what is read back.
    ///
    /// Counters are zero and elements sorted. What nft itself leaves out or rewrites when it lists a rule is left out
    /// or rewritten here too: a match that another one implies (`meta l4proto tcp` before `tcp dport 80`), `th` where
    /// the protocol is known, a set with one element, a range that is a prefix, the order of matches, arithmetic on marks.
    /// For comparing, not for printing: names of sets are sorted, chains keep their order.
    package var normalised: Nft.Table {
        var table = self
        table.sets = sets.map(\.normalised).sorted { $0.name < $1.name }
        table.chains = chains.map { chain in
            var chain = chain
            chain.rules = chain.rules.map { $0.normalised(in: family) }
            return chain
        }
        return table
    }
}

extension Nft.Set {
    /// The set with its elements in their one form, sorted and each once.
    var normalised: Nft.Set {
        var set = self
        set.flags = Swift.Set(flags).sorted()
        set.keyed = keyed
        return set
    }

    /// Elements of this set in their one form, sorted and each once.
    func normalise(_ elements: [Nft.Element]) -> [Nft.Element] {
        let sorted = elements.map { $0.normalised(key: key, data: data ?? []) }.sorted { $0.precedes($1) }
        return sorted.reduce(into: []) { unique, element in
            if unique.last != element { unique.append(element) }
        }
    }
}

extension Nft.Element {
    package func normalised(key types: [Nft.DataType], data dataTypes: [Nft.DataType]) -> Nft.Element {
        Nft.Element(
            key: Self.normalise(key, types), data: data.map { Self.normalise($0, dataTypes) }, verdict: verdict,
            comment: Nft.comment(comment))
    }

    private static func normalise(_ values: [Nft.Value], _ types: [Nft.DataType]) -> [Nft.Value] {
        let flat = values.flatMap { if case .concatenation(let parts) = $0 { parts } else { [$0] } }
        return flat.enumerated().map { index, value in
            value.normalised(isProtocol: index < types.count && types[index] == .inetProtocol)
        }
    }
}

extension Nft.Value {
    /// With `isProtocol`, a number or another name of a protocol becomes the name that nft prints.
    package func normalised(isProtocol: Bool = false) -> Nft.Value {
        switch self {
        case .address, .set: return self
        case .number(let number): return isProtocol ? Nft.protocols[number].map { .name($0) } ?? self : self
        case .name(let name): return Self.normalise(name: name, isProtocol)
        case .prefix(let prefix): return prefix.isHost ? .address(prefix.address) : .prefix(prefix.network)
        case .range(let low, let high):
            return Self.joined(low.normalised(isProtocol: isProtocol), high.normalised(isProtocol: isProtocol))
        case .anonymousSet(let values):
            return .anonymousSet(Self.sorted(values.map { $0.normalised(isProtocol: isProtocol) }))
        case .anonymousMap(let elements):
            let types: [Nft.DataType] = isProtocol ? [.inetProtocol] : []
            return .anonymousMap(elements.map { $0.normalised(key: types, data: []) }.sorted { $0.precedes($1) })
        case .concatenation(let values): return .concatenation(values.map { $0.normalised() })
        }
    }

    /// Sorted, each once.
    private static func sorted(_ values: [Nft.Value]) -> [Nft.Value] {
        values.sorted { order($0, $1) < 0 }.reduce(into: []) { unique, value in
            if unique.last != value { unique.append(value) }
        }
    }

    private static func normalise(name: String, _ isProtocol: Bool) -> Nft.Value {
        if isProtocol {
            if let number = Nft.protocolNumber(name) {
                return Nft.protocols[UInt64(number)].map { .name($0) } ?? .number(UInt64(number))
            }
            return .name(name)
        }
        return .name(MACAddress(name)?.description ?? name)
    }

    /// A range of addresses that is a prefix is one.
    private static func joined(_ low: Nft.Value, _ high: Nft.Value) -> Nft.Value {
        if low == high { return low }
        guard case .address(let first) = low, case .address(let last) = high else { return .range(low, high) }
        let common = zip(first.bytes, last.bytes).map { $0 ^ $1 }
        let whole = common.prefix { $0 == 0 }.count
        let length = whole * 8 + (whole < common.count ? common[whole].leadingZeroBitCount : 0)
        guard let prefix = CIDR(first, length), prefix.network.address == first, prefix.last == last else {
            return .range(low, high)
        }
        return .prefix(prefix)
    }
}
