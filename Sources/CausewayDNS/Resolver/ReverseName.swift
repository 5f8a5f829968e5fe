import CausewayModel

/// A name below in-addr.arpa or ip6.arpa: the address, or the prefix of addresses, that it stands for.
enum ReverseName {
    /// Returns `nil` for every other name, and for one that stands for no prefix.
    static func prefix(of name: DNS.Name) -> CIDR? {
        let labels = name.key.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.last == "arpa", labels.count > 2 else { return nil }
        let digits = labels.dropLast(2).reversed()
        switch labels[labels.count - 2] {
        case "in-addr": return v4(digits.map(String.init))
        case "ip6": return v6(digits.map(String.init))
        default: return nil
        }
    }

    private static func v4(_ parts: [String]) -> CIDR? {
        guard parts.count <= 4 else { return nil }
        let text = (parts + Array(repeating: "0", count: 4 - parts.count)).joined(separator: ".")
        return IPAddress(text).flatMap { CIDR($0, 8 * parts.count) }
    }

    private static func v6(_ parts: [String]) -> CIDR? {
        guard parts.count <= 32, parts.allSatisfy({ $0.utf8.count == 1 }) else { return nil }
        let digits = parts.compactMap { UInt8($0, radix: 16) } + Array(repeating: 0, count: 32 - parts.count)
        guard digits.count == 32 else { return nil }
        let bytes = stride(from: 0, to: 32, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        return IPv6Address(bytes: bytes).flatMap { CIDR(.v6($0), 4 * parts.count) }
    }
}
