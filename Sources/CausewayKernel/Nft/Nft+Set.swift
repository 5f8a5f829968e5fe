extension Nft {
    /// A set, or a map when `data` is not `nil`.
    package struct Set: Sendable {
        package var name: String
        package var key: [DataType]
        package var data: [DataType]?
        /// `interval`, `constant`, `timeout`, `dynamic`.
        package var flags: [String]
        private var content: Content

        /// Elements as somebody wrote them, or in their one form.
        private enum Content: Sendable {
            case list([Element])
            case keyed(Elements)
        }

        package init(
            name: String, key: [DataType], data: [DataType]? = nil, flags: [String] = [], elements: [Element] = []
        ) {
            self.name = name
            self.key = key
            self.data = data
            self.flags = flags
            content = .list(elements)
        }

        /// As they were written, or sorted by key.
        package var elements: [Element] {
            get {
                switch content {
                case .list(let elements): elements
                case .keyed(let elements): elements.entries.flatMap(\.elements)
                }
            }
            set { content = .list(newValue) }
        }

        /// In their one form: what compares, and what changes at the price of the change.
        ///
        /// Whoever sets them gives them normalised.
        package var keyed: Elements {
            get {
                switch content {
                case .list(let elements): Elements(entries(elements))
                case .keyed(let elements): elements
                }
            }
            set { content = .keyed(newValue) }
        }

        /// How many elements there are.
        package var count: Int {
            switch content {
            case .list(let elements): elements.count
            case .keyed(let elements): elements.count
            }
        }

        /// The set without its elements.
        package var declaration: Set { Set(name: name, key: key, data: data, flags: Swift.Set(flags).sorted()) }
    }
}

extension Nft.Set: Hashable {
    package static func == (a: Self, b: Self) -> Bool {
        guard a.name == b.name, a.key == b.key, a.data == b.data, a.flags == b.flags else { return false }
        switch (a.content, b.content) {
        case (.list(let a), .list(let b)): return a == b
        default: return a.keyed == b.keyed
        }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(key)
        hasher.combine(data)
    }
}

extension Nft.Set: Codable {
    private enum CodingKeys: String, CodingKey { case name, key, data, flags, elements }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try values.decode(String.self, forKey: .name),
            key: try values.decode([Nft.DataType].self, forKey: .key),
            data: try values.decodeIfPresent([Nft.DataType].self, forKey: .data),
            flags: try values.decode([String].self, forKey: .flags),
            elements: try values.decode([Nft.Element].self, forKey: .elements))
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(name, forKey: .name)
        try values.encode(key, forKey: .key)
        try values.encodeIfPresent(data, forKey: .data)
        try values.encode(flags, forKey: .flags)
        try values.encode(elements, forKey: .elements)
    }
}
