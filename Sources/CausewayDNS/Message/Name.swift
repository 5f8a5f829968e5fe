extension DNS {
    /// A domain name: labels from the host to the root, in the case in which they were written.
    ///
    /// Names that differ in the case of ASCII letters only are equal (RFC 4343).
    package struct Name: Sendable {
        /// Each has 1 to 63 bytes; together with their lengths and the root's they have at most 255.
        package let labels: [[UInt8]]

        /// The name of everything: no labels.
        package static let root = Name(unchecked: [])

        /// Returns `nil` when a label or the whole has a size that the wire has no room for.
        package init?(labels: [[UInt8]]) {
            guard labels.allSatisfy({ (1...63).contains($0.count) }),
                labels.reduce(1, { $0 + 1 + $1.count }) <= 255
            else { return nil }
            self.labels = labels
        }

        private init(unchecked labels: [[UInt8]]) {
            self.labels = labels
        }

        /// Lower case, labels joined with dots, no final dot: the form of ``NameTable``'s keys.
        ///
        /// Bytes that would read as something else (a dot in a label, a backslash, unprintable ones) are escaped as
        /// in RFC 1035, 5.1, so that no two names share a key.
        package var key: String { Self.text(folded) }

        fileprivate var folded: [[UInt8]] {
            labels.map { label in label.map { (65...90).contains($0) ? $0 | 0x20 : $0 } }
        }

        fileprivate static func text(_ labels: [[UInt8]]) -> String {
            var bytes: [UInt8] = []
            for (index, label) in labels.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ".")) }
                for byte in label {
                    switch byte {
                    case UInt8(ascii: "."), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
                    case 0x21...0x7e: bytes.append(byte)
                    default: bytes += [UInt8(ascii: "\\"), 48 + byte / 100, 48 + byte / 10 % 10, 48 + byte % 10]
                    }
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

extension DNS.Name: Hashable {
    package static func == (a: Self, b: Self) -> Bool { a.folded == b.folded }

    package func hash(into hasher: inout Hasher) { hasher.combine(folded) }
}

extension DNS.Name: LosslessStringConvertible {
    /// Reads dotted text without escapes, with or without the final dot.
    package init?(_ text: String) {
        var rest = text[...]
        if rest.hasSuffix(".") { rest = rest.dropLast() }
        guard !rest.isEmpty else {
            guard text == "." else { return nil }
            self = .root
            return
        }
        let labels = rest.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        self.init(labels: labels.map(Array.init))
    }

    /// With the final dot, as it is written.
    package var description: String { Self.text(labels) + "." }
}
