/// Writes paths and queries as they go on the request line.
package enum EnginePath {
    /// A path with its query; everything but unreserved characters, `/`, `:` and `@` is percent-encoded.
    package static func target(_ path: String, query: [(String, String)] = []) -> String {
        let path = escape(path, keeping: "/:@")
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&")
    }

    /// Percent-encodes what is not unreserved (RFC 3986, 2.3) and not in `keeping`.
    package static func escape(_ text: String, keeping: String = "") -> String {
        var result = ""
        for byte in text.utf8 {
            let character = Character(Unicode.Scalar(byte))
            if isUnreserved(byte) || (byte < 128 && keeping.contains(character)) {
                result.append(character)
            } else {
                let hex = String(byte, radix: 16, uppercase: true)
                result += byte < 16 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return result
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
