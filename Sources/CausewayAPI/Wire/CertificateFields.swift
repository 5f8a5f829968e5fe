import FoundationEssentials

/// The two fields of a certificate that Docker shows: DER of the subject and of the public key (RFC 5280, 4.1).
struct CertificateFields: Hashable, Sendable {
    var subject: [UInt8]
    var publicKey: [UInt8]

    /// `nil` when the text holds no certificate.
    init?(pem: String) {
        let lines = pem.split(whereSeparator: \.isNewline)
        guard let begin = lines.firstIndex(of: "-----BEGIN CERTIFICATE-----"),
            let end = lines[begin...].firstIndex(of: "-----END CERTIFICATE-----"),
            let der = Data(base64Encoded: lines[(begin + 1)..<end].joined())
        else { return nil }
        // Certificate { TBSCertificate { [0] version, serial, algorithm, issuer, validity, subject, key … } … }
        guard let certificate = Self.elements(of: Array(der)[...])?.first,
            let body = Self.elements(of: certificate.content)?.first,
            var fields = Self.elements(of: body.content)
        else { return nil }
        if fields.first?.whole.first == 0xa0 { fields.removeFirst() }
        guard fields.count >= 6 else { return nil }
        subject = Array(fields[4].whole)
        publicKey = Array(fields[5].whole)
    }

    private typealias Element = (whole: ArraySlice<UInt8>, content: ArraySlice<UInt8>)

    /// The elements that stand one after the other in `bytes`; `nil` when a length runs past the end.
    private static func elements(of bytes: ArraySlice<UInt8>) -> [Element]? {
        var rest = bytes
        var result: [Element] = []
        while let start = rest.indices.first {
            guard rest.count >= 2 else { return nil }
            var at = start + 2
            var length = Int(rest[start + 1])
            if length & 0x80 != 0 {
                let count = length & 0x7f
                guard (1...4).contains(count), rest.endIndex - at >= count else { return nil }
                length = rest[at..<at + count].reduce(0) { $0 << 8 | Int($1) }
                at += count
            }
            guard rest.endIndex - at >= length else { return nil }
            result.append((rest[start..<at + length], rest[at..<at + length]))
            rest = rest[(at + length)...]
        }
        return result
    }
}
