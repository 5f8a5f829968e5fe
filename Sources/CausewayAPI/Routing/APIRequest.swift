import CausewayEngine
import NIOCore
import NIOHTTP1

/// A request for one of our own routes.
struct APIRequest: Sendable {
    var method: String
    /// As the client wrote it.
    var target: RequestTarget
    /// What the path's captures caught, decoded.
    var captures: [String: String] = [:]
    /// The version that the path names, or the newest.
    var version: EngineVersion
    var headers: HTTPHeaders
    /// Reads the whole body, once; refuses one that is too large.
    var body: @Sendable () async throws(APIError) -> ByteBuffer

    var query: Query { target.query }

    func capture(_ name: String) -> String { captures[name] ?? "" }
}

/// What a route does with a request.
enum APIReply: Sendable {
    case answer(APIResponse)
    /// Docker Engine is to answer; `body` is what of the body has been read already.
    case passThrough(body: ByteBuffer?)

    static func json(_ value: some Encodable, status: Int = 200) throws(APIError) -> APIReply {
        .answer(APIResponse(status: status, body: .bytes(try JSON.bytes(value))))
    }

    static func empty(_ status: Int) -> APIReply { .answer(APIResponse(status: status, body: .bytes(ByteBuffer()))) }
}

/// An answer of ours.
struct APIResponse: Sendable {
    enum Body: Sendable {
        case bytes(ByteBuffer)
        /// Written piece by piece, until it returns or the client has gone.
        case stream(@Sendable (BodyWriter) async throws -> Void)
    }

    var status: Int = 200
    var contentType = "application/json"
    var headers = HTTPHeaders()
    var body: Body
}

/// Writes a streamed answer, each piece as one chunk.
struct BodyWriter: Sendable {
    let write: @Sendable (ByteBuffer) async throws -> Void
}
