import CausewayEngine
import NIOCore
import NIOHTTP1

/// Writes answers of ours.
struct ResponseWriter: Sendable {
    let front: ByteChannel
    let head: RequestHead
    /// What stands behind `Server:`.
    let server: String

    /// Writes an error as Docker does; a client compares the content type letter by letter.
    func refuse(_ error: APIError, closes: Bool) async throws {
        let body = try JSON.bytes(Engine.Message(message: error.message))
        try await write(APIResponse(status: error.status, body: .bytes(body)), closes: closes)
    }

    func write(_ response: APIResponse, closes: Bool) async throws {
        switch response.body {
        case .bytes(let body):
            var bytes = start(response, closes: closes, length: body.readableBytes)
            if head.method != "HEAD" { bytes.writeImmutableBuffer(body) }
            try await front.write(bytes)
        case .stream(let produce):
            // At once: clients wait for the head before they go on.
            try await front.write(start(response, closes: closes, length: nil))
            guard head.method != "HEAD" else { return }
            try await stream(produce)
        }
    }

    /// Ends the stream when it has nothing more to say, or when the client goes.
    private func stream(_ produce: @escaping @Sendable (BodyWriter) async throws -> Void) async throws {
        let isChunked = head.version == "HTTP/1.1"
        let writer = BodyWriter { [front] bytes in
            guard bytes.readableBytes > 0 else { return }
            guard isChunked else { return try await front.write(bytes) }
            var chunk = ByteBuffer(string: String(bytes.readableBytes, radix: 16) + "\r\n")
            chunk.writeImmutableBuffer(bytes)
            chunk.writeString("\r\n")
            try await front.write(chunk)
        }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await produce(writer)
                return true
            }
            group.addTask { [front] in
                try await front.untilInputClosed()
                return false
            }
            let isWhole = try await group.next() ?? false
            group.cancelAll()
            guard isWhole else { throw CancellationError() }
        }
        if isChunked { try await front.write(ByteBuffer(string: "0\r\n\r\n")) }
    }

    private func start(_ response: APIResponse, closes: Bool, length: Int?) -> ByteBuffer {
        var headers = HTTPHeaders([
            ("Api-Version", RequestTarget.newest.description), ("Docker-Experimental", "false"), ("Ostype", "linux"),
            ("Server", server),
        ])
        headers.add(contentsOf: response.headers)
        let isEmpty = length == 0
        if !isEmpty || head.method == "HEAD" { headers.add(name: "Content-Type", value: response.contentType) }
        if let length {
            if response.status != 204, response.status != 304 {
                headers.add(name: "Content-Length", value: "\(length)")
            }
        } else if head.version == "HTTP/1.1" {
            headers.add(name: "Transfer-Encoding", value: "chunked")
        }
        if closes || (length == nil && head.version != "HTTP/1.1") {
            headers.add(name: "Connection", value: "close")
        }
        let status = HTTPResponseStatus(statusCode: response.status)
        return MessageHead(line: ("HTTP/1.1", "\(response.status)", status.reasonPhrase), headers: headers).bytes
    }
}
