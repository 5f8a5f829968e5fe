extension Nft.Elements {
    /// The slots of one service: elements of a map whose keys differ in their last part alone, a number.
    ///
    /// 64 slots that lead to three backends are 64 small numbers and three values.
    package struct Row: Hashable, Codable, Sendable {
        /// The part of the key that all have.
        package var key: [Nft.Value]
        /// The values that there are, in the order in which the slots name them first.
        package private(set) var choices: [[Nft.Value]]
        /// For each slot which value it has; the last slot has one.
        package private(set) var slots: [UInt16]

        /// A slot without a value.
        package static let empty = UInt16.max
        /// A last part of a key that is not below this is no slot.
        package static let limit: UInt64 = 4096

        /// The slots that have a value; `nil` when none has.
        package init?(key: [Nft.Value], values: [[Nft.Value]?]) {
            guard let last = values.lastIndex(where: { $0 != nil }) else { return nil }
            var numbers: [[Nft.Value]: UInt16] = [:]
            var (choices, slots): ([[Nft.Value]], [UInt16]) = ([], [])
            for value in values[...last] {
                guard let value else {
                    slots.append(Self.empty)
                    continue
                }
                let number = numbers[value] ?? UInt16(choices.count)
                if numbers.updateValue(number, forKey: value) == nil { choices.append(value) }
                slots.append(number)
            }
            (self.key, self.choices, self.slots) = (key, choices, slots)
        }

        package var count: Int { slots.reduce(0) { $0 + ($1 == Self.empty ? 0 : 1) } }

        package subscript(slot: Int) -> [Nft.Value]? {
            slot < slots.count && slots[slot] != Self.empty ? choices[Int(slots[slot])] : nil
        }

        package var values: [[Nft.Value]?] { slots.indices.map { self[$0] } }

        /// One element for each slot.
        package var elements: [Nft.Element] {
            slots.indices.compactMap { slot in
                self[slot].map { Nft.Element(key: key + [.number(UInt64(slot))], data: $0) }
            }
        }
    }
}

extension Nft.Elements.Entry {
    package var key: [Nft.Value] {
        switch self {
        case .one(let element): element.key
        case .row(let row): row.key
        }
    }

    package var count: Int {
        switch self {
        case .one: 1
        case .row(let row): row.count
        }
    }

    package var elements: [Nft.Element] {
        switch self {
        case .one(let element): [element]
        case .row(let row): row.elements
        }
    }

    func precedes(_ other: Self) -> Bool { Nft.Value.order(key, other.key) < 0 }

    /// What is here and not, or not so, in another entry with the same key; `nil` when nothing is.
    func without(_ other: Self) -> Self? {
        guard case .row(let row) = self, case .row(let other) = other else { return self == other ? nil : self }
        let values = row.slots.indices.map { slot in row[slot] == other[slot] ? nil : row[slot] }
        return Nft.Elements.Row(key: row.key, values: values).map { .row($0) }
    }

    /// What is left when another's slots are taken out, whatever their values.
    func without(keysOf other: Self) -> Self? {
        guard case .row(let row) = self, case .row(let other) = other else { return nil }
        let values = row.slots.indices.map { slot in other[slot] == nil ? row[slot] : nil }
        return Nft.Elements.Row(key: row.key, values: values).map { .row($0) }
    }

    /// With another's slots, which count where both have a value.
    func merging(_ other: Self) -> Self {
        guard case .row(let row) = self, case .row(let other) = other else { return other }
        let values = (0..<max(row.slots.count, other.slots.count)).map { other[$0] ?? row[$0] }
        return Nft.Elements.Row(key: row.key, values: values).map { .row($0) } ?? self
    }
}

extension Nft.Set {
    /// Whether its last key is a number that `numgen` draws: then elements that differ in it alone are kept as rows.
    package var hasSlots: Bool { data != nil && key.count > 1 && key.last == .integer }

    /// Entries of this set's elements, in their one form: each key once, the last of its elements counts.
    package func entries(_ elements: [Nft.Element]) -> [Nft.Elements.Entry] {
        let elements = elements.map { $0.normalised(key: key, data: data ?? []) }
        guard hasSlots else { return elements.map { .one($0) } }
        var rows: [[Nft.Value]: [[Nft.Value]?]] = [:]
        var others: [Nft.Elements.Entry] = []
        for element in elements {
            guard element.comment == nil, let data = element.data, element.key.count == key.count,
                case .number(let slot)? = element.key.last, slot < Nft.Elements.Row.limit
            else {
                others.append(.one(element))
                continue
            }
            var values = rows.removeValue(forKey: Array(element.key.dropLast())) ?? []
            while values.count <= Int(slot) { values.append(nil) }
            values[Int(slot)] = data
            rows[Array(element.key.dropLast())] = values
        }
        return others + rows.compactMap { key, values in Nft.Elements.Row(key: key, values: values).map { .row($0) } }
    }
}
