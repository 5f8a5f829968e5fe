/// An IPv4 address: 32 bits, in host byte order here and in network byte order on the wire.
package struct IPv4Address: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Reads four bytes in network order; `nil` for any other count.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 else { return nil }
        rawValue = bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Four bytes in network order.
    package var bytes: [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: rawValue >> (24 - 8 * UInt32($0))) }
    }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension IPv4Address: LosslessStringConvertible {
    /// Reads dotted decimal, strictly: four numbers without leading zeros, as `inet_pton(3)` does.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard part.utf8.count <= 3, part.utf8.allSatisfy({ (48...57).contains($0) }),
                let byte = UInt8(part), part == "\(byte)"
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        rawValue = value
    }

    package var description: String {
        bytes.map(String.init).joined(separator: ".")
    }
}
