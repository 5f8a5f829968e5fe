/// An address with a prefix length: a subnet (`10.0.1.0/24`), or an address within one (`10.0.1.5/24`).
package struct CIDR: Hashable, Sendable {
    package let address: IPAddress
    package let prefixLength: Int

    /// Returns `nil` when `prefixLength` does not fit the address's family.
    package init?(_ address: IPAddress, _ prefixLength: Int) {
        guard (0...address.family.width).contains(prefixLength) else { return nil }
        self.address = address
        self.prefixLength = prefixLength
    }

    /// The address alone: /32 or /128.
    package init(host address: IPAddress) {
        self.address = address
        prefixLength = address.family.width
    }

    package var family: IPFamily { address.family }

    /// Whether only the address itself is inside.
    package var isHost: Bool { prefixLength == family.width }

    /// The same subnet with all bits behind the prefix cleared.
    package var network: CIDR {
        switch address {
        case .v4(let a):
            CIDR(unchecked: .v4(IPv4Address(rawValue: a.rawValue & Self.mask32(prefixLength))), prefixLength)
        case .v6(let a):
            CIDR(
                unchecked: .v6(
                    IPv6Address(
                        high: a.high & Self.mask64(prefixLength), low: a.low & Self.mask64(prefixLength - 64))),
                prefixLength)
        }
    }

    /// The last address inside: the broadcast address of an IPv4 subnet.
    package var last: IPAddress {
        switch network.address {
        case .v4(let a): .v4(IPv4Address(rawValue: a.rawValue | ~Self.mask32(prefixLength)))
        case .v6(let a):
            .v6(IPv6Address(high: a.high | ~Self.mask64(prefixLength), low: a.low | ~Self.mask64(prefixLength - 64)))
        }
    }

    /// Whether all of it lies within 127.0.0.0/8 or is ::1.
    package var isLoopback: Bool {
        switch address {
        case .v4(let a): prefixLength >= 8 && a.rawValue >> 24 == 127
        case .v6(let a): isHost && a.high == 0 && a.low == 1
        }
    }

    package func contains(_ other: IPAddress) -> Bool {
        guard other.family == family else { return false }
        return CIDR(unchecked: other, prefixLength).network.address == network.address
    }

    package func contains(_ other: CIDR) -> Bool {
        other.prefixLength >= prefixLength && contains(other.address)
    }

    package func overlaps(_ other: CIDR) -> Bool {
        contains(other.network.address) || other.contains(network.address)
    }

    private init(unchecked address: IPAddress, _ prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }

    private static func mask32(_ length: Int) -> UInt32 { length <= 0 ? 0 : UInt32.max << UInt32(32 - length) }

    private static func mask64(_ length: Int) -> UInt64 {
        switch length {
        case ...0: 0
        case 64...: .max
        default: UInt64.max << UInt64(64 - length)
        }
    }
}

extension CIDR: Comparable {
    package static func < (a: Self, b: Self) -> Bool { (a.address, a.prefixLength) < (b.address, b.prefixLength) }
}

extension CIDR: LosslessStringConvertible {
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])), let length = Int(parts[1]),
            parts[1] == "\(length)"
        else { return nil }
        self.init(address, length)
    }

    package var description: String { "\(address)/\(prefixLength)" }
}
