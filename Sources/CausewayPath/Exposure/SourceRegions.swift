import CausewayModel

/// The addresses of one family, cut wherever a rule, a set or a route looks at a source.
///
/// Within a region all sources are alike, so one stands for all of them. A region is a prefix without the prefixes
/// that lie within it.
struct SourceRegions: Sendable {
    struct Region: Sendable {
        let prefix: CIDR
        /// The smallest region that this one lies within.
        let parent: Int?
        var children: [Int] = []
        /// `nil` when the regions within leave nothing of it.
        var representative: IPAddress?
    }

    /// Each after the one it lies within.
    private(set) var regions: [Region] = []

    init(_ family: IPFamily, _ prefixes: Set<CIDR>) {
        let whole = CIDR(family == .ip ? "0.0.0.0/0" : "::/0").map { [$0] } ?? []
        let own = prefixes.filter { $0.family == family }.map(\.network)
        var open: [Int] = []
        for prefix in Set(whole + own).sorted() {
            while let last = open.last, !regions[last].prefix.contains(prefix) { open.removeLast() }
            if let last = open.last { regions[last].children.append(regions.count) }
            regions.append(Region(prefix: prefix, parent: open.last))
            open.append(regions.count - 1)
        }
        for index in regions.indices {
            let within = regions[index].children.map { regions[$0].prefix }
            regions[index].representative = Self.address(in: regions[index].prefix, outside: within)
        }
    }

    /// An address of `prefix` that none of `others` has.
    private static func address(in prefix: CIDR, outside others: [CIDR]) -> IPAddress? {
        let inside = others.filter { prefix.overlaps($0) }
        guard !inside.contains(where: { $0.contains(prefix) }) else { return nil }
        guard !inside.isEmpty else {
            // Not the first one, which of an IPv4 subnet is no host's.
            return prefix.isHost ? prefix.address : prefix.address.advanced(by: prefix.spare > 3 ? 9 : 1)
        }
        return prefix.halves.lazy.compactMap { address(in: $0, outside: inside) }.first
    }

    /// Regions for which `isIncluded`, written with as few prefixes as can be.
    ///
    /// `isNeutral`: what may be counted either way, because nothing can come from there.
    func summary(
        isIncluded: (Int) -> Bool, isNeutral: (Int) -> Bool, link: (Int) -> String
    ) -> [Exposure.Sources] {
        var result: [Exposure.Sources] = []
        /// Whether the nearest region around that counts is included, and where its entry is.
        func visit(_ index: Int, within entry: Int?) {
            var entry = entry
            if !isNeutral(index) {
                switch (isIncluded(index), entry) {
                case (true, nil):
                    result.append(Exposure.Sources(prefix: regions[index].prefix, except: [], link: link(index)))
                    entry = result.count - 1
                case (false, let outer?):
                    result[outer].except.append(regions[index].prefix)
                    entry = nil
                default: break
                }
            }
            for child in regions[index].children { visit(child, within: entry) }
        }
        if !regions.isEmpty { visit(0, within: nil) }
        return result
    }
}

extension CIDR {
    /// The number of bits behind the prefix.
    fileprivate var spare: Int { family.width - prefixLength }

    /// The two prefixes that it is made of, the upper one first: low addresses are often routers'.
    fileprivate var halves: [CIDR] {
        guard prefixLength < family.width else { return [] }
        var bytes = network.address.bytes
        bytes[prefixLength / 8] |= 0x80 >> UInt8(prefixLength % 8)
        return [IPAddress(bytes: bytes), network.address].compactMap { half in
            half.flatMap { CIDR($0, prefixLength + 1) }
        }
    }
}
