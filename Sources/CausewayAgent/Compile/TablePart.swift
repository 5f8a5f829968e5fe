import CausewayKernel

/// What one thing — a service, a task, all networks — has in the sets of the host's table.
struct TablePart: Hashable, Sendable {
    /// By the set's name; each key once.
    private(set) var entries: [String: [Nft.Elements.Entry]] = [:]

    mutating func add(_ set: String, _ key: [Nft.Value], data: [Nft.Value]? = nil, comment: String? = nil) {
        let element = Nft.Element(key: key, data: data, comment: comment).normalised(key: [], data: [])
        guard entries[set]?.contains(where: { $0.key == element.key }) != true else { return }
        entries[set, default: []].append(.one(element))
    }

    /// Deals values into the slots of the map that is for as many.
    mutating func addSlots(_ key: [Nft.Value], _ values: [[Nft.Value]], in map: (UInt32) -> String) {
        let slots = Slots.deal(values).map { Optional($0.backend) }
        guard let row = Nft.Elements.Row(key: key, values: slots) else { return }
        entries[map(Slots.count(backends: values.count)), default: []].append(.row(row))
    }

    /// Elements of a set that is declared elsewhere.
    mutating func add(_ set: Nft.Set) {
        for entry in set.entries(set.elements)
        where entries[set.name]?.contains(where: { $0.key == entry.key }) != true {
            entries[set.name, default: []].append(entry)
        }
    }
}
