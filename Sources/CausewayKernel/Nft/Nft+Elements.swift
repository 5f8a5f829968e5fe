extension Nft {
    /// The elements of a set in their one form, kept by key so that a change costs what changes.
    ///
    /// Copies share what they have in common, and what is shared is not looked at when two are compared. So the
    /// difference between two states of a set with a million elements costs what differs, if one was made from the
    /// other by ``insert(_:)`` and ``remove(_:)``.
    package struct Elements: Hashable, Sendable {
        /// What stands under one key: an element, or a row of slots that have all of their key but the last part in
        /// common.
        package enum Entry: Hashable, Codable, Sendable {
            case one(Element)
            case row(Row)
        }

        /// A part of the entries, never changed once it is made.
        final class Shard: Sendable {
            let entries: [[Value]: Entry]
            init(_ entries: [[Value]: Entry]) { self.entries = entries }
        }

        /// Empty, or all of them: an entry's shard follows from its key.
        private var shards: [Shard] = []
        /// How many elements there are, those in rows one by one.
        package private(set) var count = 0

        private static let shardCount = 256
        private static let emptyShard = Shard([:])

        package init() {}

        package init(_ entries: some Sequence<Entry>) {
            var content: [Int: [[Value]: Entry]] = [:]
            for entry in entries { content[Self.shard(of: entry.key), default: [:]][entry.key] = entry }
            replace(content)
        }

        package var isEmpty: Bool { count == 0 }

        /// Every entry, sorted by key.
        package var entries: [Entry] { shards.flatMap(\.entries.values).sorted { $0.precedes($1) } }

        package subscript(key: [Value]) -> Entry? {
            shards.isEmpty ? nil : shards[Self.shard(of: key)].entries[key]
        }

        /// Puts entries in, in the place of those with the same keys.
        package mutating func insert(_ entries: [Entry]) {
            change(entries) { shard, entry in shard[entry.key] = entry }
        }

        /// Takes the entries with these keys out.
        package mutating func remove(_ entries: [Entry]) {
            guard !shards.isEmpty else { return }
            change(entries) { shard, entry in shard[entry.key] = nil }
        }

        private mutating func change(_ entries: [Entry], _ body: (inout [[Value]: Entry], Entry) -> Void) {
            var content: [Int: [[Value]: Entry]] = [:]
            for entry in entries {
                let index = Self.shard(of: entry.key)
                body(&content[index, default: shards.isEmpty ? [:] : shards[index].entries], entry)
            }
            replace(content)
        }

        private mutating func replace(_ content: [Int: [[Value]: Entry]]) {
            if shards.isEmpty, !content.isEmpty {
                shards = Array(repeating: Self.emptyShard, count: Self.shardCount)
            }
            for (index, entries) in content {
                count -= shards[index].entries.values.reduce(0) { $0 + $1.count }
                count += entries.values.reduce(0) { $0 + $1.count }
                shards[index] = Shard(entries)
            }
            if count == 0 { shards = [] }
        }

        private static func shard(of key: [Value]) -> Int { Int(UInt(bitPattern: key.hashValue) % UInt(shardCount)) }

        package static func == (a: Self, b: Self) -> Bool {
            a.count == b.count && zip(a.shards, b.shards).allSatisfy { $0 === $1 || $0.entries == $1.entries }
        }

        package func hash(into hasher: inout Hasher) { hasher.combine(count) }
    }
}

extension Nft.Elements {
    /// What has to go from these and what has to come, so that they become others; sorted by key.
    ///
    /// Of rows that differ only the slots that do; an element whose key has another value goes and comes.
    package func difference(to others: Nft.Elements) -> (gone: [Entry], new: [Entry]) {
        var gone: [Entry] = []
        var new: [Entry] = []
        for index in 0..<max(shards.count, others.shards.count) {
            let before = shards.isEmpty ? Self.emptyShard : shards[index]
            let after = others.shards.isEmpty ? Self.emptyShard : others.shards[index]
            guard before !== after else { continue }
            for (key, entry) in before.entries {
                guard let other = after.entries[key] else {
                    gone.append(entry)
                    continue
                }
                guard entry != other else { continue }
                entry.without(other).map { gone.append($0) }
                other.without(entry).map { new.append($0) }
            }
            for (key, entry) in after.entries where before.entries[key] == nil { new.append(entry) }
        }
        return (gone.sorted { $0.precedes($1) }, new.sorted { $0.precedes($1) })
    }

    /// Takes elements out by their keys, then puts elements in.
    package mutating func change(delete: [Entry], add: [Entry]) {
        var touched: [[Nft.Value]: Entry?] = [:]
        for entry in delete {
            let present = touched[entry.key] ?? self[entry.key]
            touched[entry.key] = .some(present?.without(keysOf: entry))
        }
        for entry in add {
            let present = touched[entry.key] ?? self[entry.key]
            touched[entry.key] = .some(present.map { $0.merging(entry) } ?? entry)
        }
        remove(touched.compactMap { key, entry in entry == nil ? .one(Nft.Element(key: key)) : nil })
        insert(touched.compactMap { $0.value })
    }
}
