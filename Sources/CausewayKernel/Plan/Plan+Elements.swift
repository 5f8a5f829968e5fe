extension Plan {
    /// Some elements of one set or map, with what has to be known of the set to write them for the kernel.
    package struct SetElements: Hashable, Codable, Sendable {
        package var set: String
        /// The types of the set's key and data; no key when they are not known, and then nft has to find out.
        package var key: [Nft.DataType]
        package var data: [Nft.DataType]?
        package var isInterval: Bool
        package var entries: [Nft.Elements.Entry]

        package init(set: String, elements: [Nft.Element]) {
            self.set = set
            key = []
            isInterval = false
            entries = elements.map { .one($0) }
        }

        package init(of set: Nft.Set, _ entries: [Nft.Elements.Entry]) {
            self.set = set.name
            key = set.key
            data = set.data
            isInterval = set.flags.contains("interval")
            self.entries = entries
        }

        package var elements: [Nft.Element] { entries.flatMap(\.elements) }

        package var count: Int { entries.reduce(0) { $0 + $1.count } }
    }
}
