import CausewayModel

/// All objects of one kind, by identifier and by age.
///
/// Objects are held by reference, so that a copy of a large table costs two pointers for each of them. Their order is
/// kept and not made for each reader: every list that is asked for, and every look of the manager, wants it.
package struct StoreTable<Object: StoredObject>: Sendable {
    private final class Entry: Sendable {
        let object: Object
        init(_ object: Object) { self.object = object }
    }

    private var entries: [Swarm.ID: Entry] = [:]
    /// The same entries, oldest first.
    private var ordered: [Entry] = []

    package init() {}

    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }

    /// Every object, oldest first, one after the other.
    ///
    /// A closure: through a key path each look took ten times as long.
    package var all: some Sequence<Object> { ordered.lazy.map { $0.object } }

    /// Every object, oldest first.
    package var sorted: [Object] { ordered.map { $0.object } }

    /// Every identifier, in the order of the objects' age: for whoever needs to look at few of them.
    package var ids: some Sequence<Swarm.ID> { ordered.lazy.map { $0.object.id } }

    package subscript(id: Swarm.ID) -> Object? {
        get { entries[id]?.object }
        set {
            let new = newValue.map(Entry.init)
            let old = entries.updateValue(new, at: id)
            if let old, let new, !isOlder(old.object, new.object), !isOlder(new.object, old.object) {
                ordered[position(of: old.object)] = new
                return
            }
            if let old { ordered.remove(at: position(of: old.object)) }
            if let new { ordered.insert(new, at: position(of: new.object)) }
        }
    }

    /// The first object, by age, for which something is so.
    package func first(where isSo: (Object) throws -> Bool) rethrows -> Object? {
        for entry in ordered where try isSo(entry.object) { return entry.object }
        return nil
    }

    /// Where an object is, or would be: behind all that are older.
    ///
    /// Most are the newest of all.
    private func position(of object: Object) -> Int {
        if let last = ordered.last, isOlder(last.object, object) { return ordered.count }
        var (low, high) = (0, ordered.count)
        while low < high {
            let middle = (low + high) / 2
            if isOlder(ordered[middle].object, object) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Dictionary {
    /// Puts a value at a key, or takes what is there away; returns what was there.
    fileprivate mutating func updateValue(_ value: Value?, at key: Key) -> Value? {
        if let value { updateValue(value, forKey: key) } else { removeValue(forKey: key) }
    }
}
