/// Addresses travel as their text, in snapshots, in the store and in the Engine API alike.
package protocol CodableAsText: Codable, LosslessStringConvertible {}

extension CodableAsText {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "'\(text)' is not a valid \(Self.self)")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension IPv4Address: CodableAsText {}
extension IPv6Address: CodableAsText {}
extension IPAddress: CodableAsText {}
extension CIDR: CodableAsText {}
extension MACAddress: CodableAsText {}
