/// An address family, by the names that iproute2 and nft give it.
package enum IPFamily: String, Hashable, Comparable, Sendable, CaseIterable, Codable {
    case ip
    case ip6

    /// The number of bits of an address: 32 or 128.
    package var width: Int { self == .ip ? 32 : 128 }

    package static func < (a: Self, b: Self) -> Bool { a.width < b.width }
}

/// An address of either family.
///
/// IPv4 sorts before IPv6.
package enum IPAddress: Hashable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    package var family: IPFamily {
        switch self {
        case .v4: .ip
        case .v6: .ip6
        }
    }

    /// 0.0.0.0 or ::.
    package var isUnspecified: Bool { bytes.allSatisfy { $0 == 0 } }

    /// Four or sixteen bytes in network order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let address): address.bytes
        case .v6(let address): address.bytes
        }
    }

    package init?(bytes: some Collection<UInt8>) {
        if let address = IPv4Address(bytes: bytes) {
            self = .v4(address)
        } else if let address = IPv6Address(bytes: bytes) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    package var v4: IPv4Address? { if case .v4(let address) = self { address } else { nil } }
    package var v6: IPv6Address? { if case .v6(let address) = self { address } else { nil } }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        switch self {
        case .v4(let address): address.rawValue >> 24 == 127
        case .v6(let address): address.high == 0 && address.low == 1
        }
    }

    /// The address `offset` further on, or `nil` where the family ends.
    package func advanced(by offset: UInt64) -> IPAddress? {
        switch self {
        case .v4(let address):
            guard offset <= UInt64(UInt32.max - address.rawValue) else { return nil }
            return .v4(IPv4Address(rawValue: address.rawValue + UInt32(offset)))
        case .v6(let address):
            let (low, carry) = address.low.addingReportingOverflow(offset)
            guard !carry || address.high < .max else { return nil }
            return .v6(IPv6Address(high: address.high + (carry ? 1 : 0), low: low))
        }
    }
}

extension IPAddress: Comparable {
    package static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.v4(let a), .v4(let b)): a < b
        case (.v6(let a), .v6(let b)): a < b
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

extension IPAddress: LosslessStringConvertible {
    package init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}
