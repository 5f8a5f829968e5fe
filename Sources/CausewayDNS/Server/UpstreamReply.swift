/// An upstream name server's reply, as far as it must be understood: the rest is handed on as it came.
struct UpstreamReply: Sendable {
    let bytes: [UInt8]
    let isTruncated: Bool
    let responseCode: DNS.ResponseCode

    /// Returns `nil` unless `bytes` answer exactly that question under exactly that identifier.
    ///
    /// Servers that refuse or do not understand may leave the question out.
    init?(_ bytes: [UInt8], id: UInt16, question: DNS.Question) {
        var reader = DNS.Reader(bytes)
        guard let (header, counts) = try? reader.header(), header.id == id, header.isResponse,
            header.opcode == .query
        else { return nil }
        switch counts.questions {
        case 1:
            guard let echoed = try? reader.question(), echoed == question else { return nil }
        case 0:
            let refusals: [DNS.ResponseCode] = [.serverFailure, .refused, .formatError, .notImplemented]
            guard refusals.contains(header.responseCode) else { return nil }
        default: return nil
        }
        self.bytes = bytes
        isTruncated = header.isTruncated
        responseCode = header.responseCode
    }

    /// Whether the next name server may know better.
    ///
    /// A name that does not exist is an answer.
    var isFailure: Bool { responseCode == .serverFailure || responseCode == .refused }
}
