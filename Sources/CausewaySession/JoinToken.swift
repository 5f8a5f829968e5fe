import Crypto
import Foundation

/// What lets a node join: which root to trust, and a secret that says as what.
///
/// `SWMTKN-1-` + 50 digits in base 36 of the SHA-256 of the root certificate's PEM + `-` + 25 digits of a secret of
/// 128 bits: swarmkit's format, byte for byte.
package struct JoinToken: Hashable, Sendable, CustomStringConvertible {
    /// The 50 digits that pin the root certificate.
    package let digest: String
    /// The 25 digits of the secret.
    package let secret: String

    /// Draws a new secret for a root certificate, PEM.
    package init(certificate: String, using generator: inout some RandomNumberGenerator) {
        digest = Self.base36(Array(SHA256.hash(data: Data(certificate.utf8))), digits: 50)
        secret = Self.base36((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) }, digits: 25)
    }

    /// Reads a token; `nil` when it has not the form of one.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "SWMTKN", parts[1] == "1", parts[2].count == 50, parts[3].count == 25,
            (parts[2] + parts[3]).utf8.allSatisfy({ (48...57).contains($0) || (97...122).contains($0) })
        else { return nil }
        digest = String(parts[2])
        secret = String(parts[3])
    }

    package var description: String { "SWMTKN-1-\(digest)-\(secret)" }

    /// Whether the token was made for this root certificate, PEM.
    package func pins(certificate: String) -> Bool {
        digest == Self.base36(Array(SHA256.hash(data: Data(certificate.utf8))), digits: 50)
    }

    /// A big-endian number in base 36, filled up with zeros on the left.
    static func base36(_ bytes: [UInt8], digits: Int) -> String {
        var number = bytes
        var result: [UInt8] = []
        let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        while result.count < digits {
            var rest = 0
            for index in number.indices {
                let value = rest << 8 | Int(number[index])
                number[index] = UInt8(value / 36)
                rest = value % 36
            }
            result.append(alphabet[rest])
        }
        return String(decoding: result.reversed(), as: UTF8.self)
    }
}
