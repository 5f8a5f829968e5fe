import CausewayModel

/// A name table, and the same laid out for answering without work: one hash look-up from the bytes of a query.
///
/// Immutable; the resolvers of all tasks that have the same table share one.
package final class PreparedNames {
    package let table: NameTable

    private struct Entry {
        var name: UInt32
        var nameLength: UInt8
        var v4Count: UInt16
        var v6Count: UInt16
        /// Where its addresses begin: the IPv4 ones, then the IPv6 ones.
        var addresses: UInt32
        var timeToLive: UInt32
    }

    private let entries: UnsafeMutableBufferPointer<Entry>
    /// Open addressing: an entry's number and one, or 0 for none.
    private let places: UnsafeMutableBufferPointer<UInt32>
    /// Names as on the wire, in lower case, and addresses.
    private let bytes: UnsafeMutableBufferPointer<UInt8>

    package init(_ table: NameTable) {
        self.table = table
        var entries: [Entry] = []
        var bytes: [UInt8] = []
        // A key with an escape is not read back: `Resolver` answers for it.
        for (key, entry) in table.names where !key.utf8.contains(UInt8(ascii: "\\")) {
            guard let name = DNS.Name(key) else { continue }
            let start = bytes.count
            for label in name.labels { bytes += [UInt8(label.count)] + label.map(Self.lowered) }
            bytes.append(0)
            let v4 = entry.addresses.compactMap(\.v4)
            let v6 = entry.addresses.compactMap(\.v6)
            entries.append(
                Entry(
                    name: UInt32(start), nameLength: UInt8(bytes.count - start), v4Count: UInt16(clamping: v4.count),
                    v6Count: UInt16(clamping: v6.count), addresses: UInt32(bytes.count), timeToLive: entry.timeToLive))
            for address in v4 { bytes += address.bytes }
            for address in v6 { bytes += address.bytes }
        }
        self.entries = .allocate(capacity: entries.count)
        _ = self.entries.initialize(from: entries)
        self.bytes = .allocate(capacity: bytes.count)
        _ = self.bytes.initialize(from: bytes)
        var size = 4
        while size < 2 * entries.count { size *= 2 }
        places = .allocate(capacity: size)
        places.initialize(repeating: 0)
        for (number, entry) in entries.enumerated() {
            let name = UnsafeRawBufferPointer(self.bytes)[Int(entry.name)..<Int(entry.name) + Int(entry.nameLength)]
            var place = Int(truncatingIfNeeded: Self.hash(UnsafeRawBufferPointer(rebasing: name))) & (size - 1)
            while places[place] != 0 { place = (place + 1) & (size - 1) }
            places[place] = UInt32(number + 1)
        }
    }

    deinit {
        entries.deallocate()
        places.deallocate()
        bytes.deallocate()
    }

    /// The addresses of a name in one family, and how long they may be kept; `nil` where the table has no such name.
    ///
    /// `name` is as on the wire, uncompressed, in any case of letters.
    func addresses(
        of name: UnsafeRawBufferPointer, _ family: IPFamily
    ) -> (bytes: UnsafeRawBufferPointer, timeToLive: UInt32)? {
        let mask = places.count - 1
        var place = Int(truncatingIfNeeded: Self.hash(name)) & mask
        while places[place] != 0 {
            let entry = entries[Int(places[place] - 1)]
            if Int(entry.nameLength) == name.count, isEqual(name, at: Int(entry.name)) {
                let v4Size = 4 * Int(entry.v4Count)
                let start = Int(entry.addresses) + (family == .ip ? 0 : v4Size)
                let size = family == .ip ? v4Size : 16 * Int(entry.v6Count)
                return (
                    UnsafeRawBufferPointer(start: bytes.baseAddress.map { $0 + start }, count: size), entry.timeToLive
                )
            }
            place = (place + 1) & mask
        }
        return nil
    }

    private func isEqual(_ name: UnsafeRawBufferPointer, at start: Int) -> Bool {
        for index in 0..<name.count where Self.lowered(name[index]) != bytes[start + index] { return false }
        return true
    }

    /// Label lengths are below 64, so lowering them as if they were letters leaves them as they are.
    private static func lowered(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }

    /// FNV-1a; who can choose the names of a table can only make a task's own names slower.
    private static func hash(_ name: UnsafeRawBufferPointer) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in name { hash = (hash ^ UInt32(lowered(byte))) &* 16_777_619 }
        return hash
    }
}
