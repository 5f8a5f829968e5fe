/// An Ethernet address: 48 bits.
package struct MACAddress: Hashable, Sendable {
    package let rawValue: UInt64

    /// Returns `nil` when `rawValue` does not fit 48 bits.
    package init?(rawValue: UInt64) {
        guard rawValue < 1 << 48 else { return nil }
        self.rawValue = rawValue
    }

    /// Reads six bytes; `nil` for any other count.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        rawValue = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The locally administered unicast address 02:42 followed by an IPv4 address, as Docker derives it.
    package init(derivedFrom address: IPv4Address) {
        rawValue = 0x0242 << 32 | UInt64(address.rawValue)
    }

    package var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: rawValue >> (40 - 8 * UInt64($0))) } }
}

extension MACAddress: LosslessStringConvertible {
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6, parts.allSatisfy({ $0.utf8.count == 2 && $0.allSatisfy(\.isHexDigit) }) else {
            return nil
        }
        self.init(bytes: parts.compactMap { UInt8($0, radix: 16) })
    }

    package var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }
}
