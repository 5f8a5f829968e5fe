import NIOHTTP1

/// How a reader knows where a message's body ends (RFC 9112, 6.3).
enum BodyFraming: Hashable, Sendable {
    case none
    case length(UInt64)
    case chunked
    /// The body ends with the connection: answers only.
    case untilClose

    init(request head: RequestHead) throws(HTTPFault) {
        self = try Self.named(in: head.headers) ?? .none
    }

    init(response head: ResponseHead, to method: String) throws(HTTPFault) {
        if method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304 {
            self = .none
        } else {
            self = try Self.named(in: head.head.headers) ?? .untilClose
        }
    }

    private static func named(in headers: HTTPHeaders) throws(HTTPFault) -> BodyFraming? {
        let codings = headers[canonicalForm: "transfer-encoding"].map { $0.lowercased() }
        let lengths = Set(headers[canonicalForm: "content-length"])
        if !codings.isEmpty {
            guard codings == ["chunked"] else {
                throw HTTPFault(501, "transfer encoding '\(codings.joined(separator: ", "))' is not supported")
            }
            guard lengths.isEmpty else {
                throw HTTPFault(400, "a message has both Content-Length and Transfer-Encoding")
            }
            return .chunked
        }
        guard let text = lengths.first else { return nil }
        guard lengths.count == 1, text.utf8.allSatisfy({ (48...57).contains($0) }), let length = UInt64(text) else {
            throw HTTPFault(400, "malformed Content-Length '\(lengths.sorted().joined(separator: ", "))'")
        }
        return length == 0 ? BodyFraming.none : .length(length)
    }
}
