extension Nft {
    /// Why what nft wrote could not be read.
    package struct ReadError: Error, Hashable, Sendable, CustomStringConvertible {
        /// In bytes, from the text's beginning.
        package var offset: Int
        package var why: String

        package init(offset: Int, why: String) {
            self.offset = offset
            self.why = why
        }

        package var description: String {
            "cannot read nft's JSON at byte \(offset): \(why); check that nft is version 1.0.6 or newer, with JSON support"
        }
    }
}

extension Nft.Table {
    /// Reads what `nft -j list ruleset` writes, in its order.
    ///
    /// A statement that is not understood becomes ``Nft/Expression/unknown(_:)`` with its JSON. Named objects other
    /// than sets, maps and chains (counters, quotas, flow tables, …) are left out.
    package static func read(json: String) throws(Nft.ReadError) -> [Nft.Table] {
        try read(json: json.utf8)
    }

    /// Reads the bytes of what `nft -j list ruleset` writes.
    package static func read(json: some Sequence<UInt8>) throws(Nft.ReadError) -> [Nft.Table] {
        guard let items = try JSONParser.parse(json)["nftables"]?.array else {
            throw Nft.ReadError(offset: 0, why: "no array 'nftables'")
        }
        var reader = RulesetReader()
        for item in items.compactMap(\.only) { reader.read(item) }
        return reader.tables
    }

    /// Whether iptables-nft made this table: those are better read from `iptables-save`.
    package var isFromIPTables: Bool {
        guard family == .ip || family == .ip6, ["filter", "nat", "mangle", "raw", "security"].contains(name) else {
            return false
        }
        return sets.isEmpty
            && chains.allSatisfy { chain in
                chain.base.map { $0.hook.rawValue.uppercased() == chain.name } ?? true
            }
    }
}

/// Puts the items of a listing into their tables.
struct RulesetReader {
    private(set) var tables: [Nft.Table] = []
    private var tableIndex: [String: Int] = [:]
    private var chainIndex: [String: Int] = [:]

    mutating func read(_ item: JSONValue.Member) {
        let body = item.value
        guard let family = body["family"]?.string.flatMap(Nft.Family.init(rawValue:)),
            let name = body["name"]?.string ?? body["chain"]?.string
        else { return }
        let table = index(of: item.key == "table" ? name : body["table"]?.string ?? "", family)
        switch item.key {
        case "set", "map":
            tables[table].sets.append(NftReader.set(body, name: name))
        case "chain":
            chainIndex["\(table) \(name)"] = tables[table].chains.count
            tables[table].chains.append(Nft.Chain(name: name, base: NftReader.base(body)))
        case "rule":
            let chain = chainIndex["\(table) \(name)"] ?? addChain(name, to: table)
            tables[table].chains[chain].rules.append(NftReader.rule(body))
        default:
            break
        }
    }

    private mutating func index(of name: String, _ family: Nft.Family) -> Int {
        let key = "\(family.rawValue) \(name)"
        if let index = tableIndex[key] { return index }
        tableIndex[key] = tables.count
        tables.append(Nft.Table(family: family, name: name))
        return tables.count - 1
    }

    /// A rule whose chain was not listed before it.
    private mutating func addChain(_ name: String, to table: Int) -> Int {
        let index = tables[table].chains.count
        chainIndex["\(table) \(name)"] = index
        tables[table].chains.append(Nft.Chain(name: name))
        return index
    }
}
