import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// The body of an answer that goes on: logs, events, the progress of a pull.
///
/// To be read once, by one task.
package struct EngineStream: AsyncSequence, Sendable {
    package let headers: HTTPHeaders
    let body: HTTPClientResponse.Body

    package struct AsyncIterator: AsyncIteratorProtocol {
        var inner: HTTPClientResponse.Body.AsyncIterator

        package mutating func next() async throws -> ByteBuffer? { try await inner.next() }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(inner: body.makeAsyncIterator()) }
}
