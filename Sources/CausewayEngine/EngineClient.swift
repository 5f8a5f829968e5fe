import AsyncHTTPClient
import CausewayMetrics
import FoundationEssentials
import NIOCore
import NIOHTTP1
import Synchronization

/// Docker Engine's API over its unix socket.
///
/// Paths are given as plain text without a version (`/containers/json`); they are encoded here, and prefixed with the
/// version negotiated with the engine. An answer outside 200–299 is thrown as an ``EngineError`` with the engine's own
/// message. Nothing is retried.
package final class EngineClient: Sendable {
    package typealias Query = [(String, String)]

    /// An answer as it came, whatever its status.
    package struct Reply: Sendable {
        package var status: Int
        package var headers: HTTPHeaders
        package var body: ByteBuffer
    }

    package let socketPath: String
    /// Times the calls, but for streams, which take as long as somebody listens.
    package let stopwatch = Stopwatch()
    private let http: HTTPClient
    /// Each stream holds its connection for as long as somebody listens, so theirs are not counted with the others.
    private let streaming: HTTPClient
    /// The engine's version of the API, and what it calls itself: asked for once.
    private let greeting = Mutex<(version: EngineVersion, server: String)?>(nil)
    /// The largest body that is read into memory.
    private let bodyLimit = 64 << 20

    package init(socketPath: String) {
        self.socketPath = socketPath
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(5)
        // Who asks decides whether to ask again: an engine that is not there shall be told at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1 << 16
        streaming = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Closes all connections.
    ///
    /// To be called once, before the client is let go; no request may follow.
    package func shutdown() async {
        // The only error there is says that it was called twice.
        do { try await http.shutdown() } catch {}
        do { try await streaming.shutdown() } catch {}
    }

    // MARK: JSON in, JSON out

    package func get<T: Decodable>(
        _ path: String, query: Query = [], headers: Query = [], as type: T.Type = T.self,
        timeout: Duration? = .seconds(60)
    ) async throws(EngineError) -> T {
        try decode(await send(.GET, path, query: query, headers: headers, timeout: timeout), from: path)
    }

    package func post<T: Decodable>(
        _ path: String, query: Query = [], body: some Encodable, as type: T.Type = T.self,
        timeout: Duration? = .seconds(120)
    ) async throws(EngineError) -> T {
        try decode(await send(.POST, path, query: query, body: try Self.encode(body), timeout: timeout), from: path)
    }

    /// For calls whose answer says nothing but its status.
    package func post(
        _ path: String, query: Query = [], body: some Encodable, timeout: Duration? = .seconds(120)
    ) async throws(EngineError) {
        _ = try await send(.POST, path, query: query, body: try Self.encode(body), timeout: timeout)
    }

    package func post(
        _ path: String, query: Query = [], timeout: Duration? = .seconds(120)
    ) async throws(EngineError) {
        _ = try await send(.POST, path, query: query, timeout: timeout)
    }

    package func delete(
        _ path: String, query: Query = [], timeout: Duration? = .seconds(120)
    ) async throws(EngineError) {
        _ = try await send(.DELETE, path, query: query, timeout: timeout)
    }

    // MARK: raw

    /// Returns the answer whatever its status; throws only when none came.
    package func raw(
        _ method: HTTPMethod, _ path: String, query: Query = [], headers: Query = [], body: ByteBuffer? = nil,
        contentType: String = "application/json", timeout: Duration? = .seconds(120)
    ) async throws(EngineError) -> Reply {
        var request = try await request(method, path, query, body, contentType)
        request.headers.add(contentsOf: headers)
        return try await perform(request, timeout: timeout)
    }

    /// Hands on what a client asked, and returns the answer whatever its status.
    ///
    /// `target` is as it goes on the request line, with the version that the client wants, if it names one.
    package func relay(
        _ method: HTTPMethod, target: String, body: ByteBuffer? = nil, timeout: Duration? = nil
    ) async throws(EngineError) -> Reply {
        var request = Self.named(HTTPClientRequest(url: url(target)))
        request.method = method
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(body)
        }
        return try await perform(request, timeout: timeout)
    }

    /// Returns the answer's body as it comes; throws the engine's error when the status is outside 200–299.
    ///
    /// Ending the task that reads, or letting go of the stream, closes the connection.
    package func stream(
        _ method: HTTPMethod = .GET, _ path: String, query: Query = [], headers: Query = [], body: ByteBuffer? = nil,
        contentType: String = "application/json"
    ) async throws(EngineError) -> EngineStream {
        var request = try await request(method, path, query, body, contentType)
        request.headers.add(contentsOf: headers)
        do {
            let response = try await streaming.execute(request, deadline: .distantFuture)
            let status = Int(response.status.code)
            guard 200..<300 ~= status else {
                throw Self.error(status, try await response.body.collect(upTo: bodyLimit))
            }
            return EngineStream(headers: response.headers, body: response.body)
        } catch {
            throw failure(error)
        }
    }

    /// The version of the API that the engine speaks, asked for once.
    package func engineVersion() async throws(EngineError) -> EngineVersion {
        if let known = greeting.withLock({ $0?.version }) { return known }
        let reply = try await perform(Self.named(HTTPClientRequest(url: url("/_ping"))), timeout: .seconds(10))
        guard let text = reply.headers.first(name: "Api-Version"), let found = EngineVersion(text) else {
            throw EngineError(status: 0, message: "the engine at \(socketPath) names no API version; is it Docker?")
        }
        let server = reply.headers.first(name: "Server") ?? "Docker"
        greeting.withLock { $0 = (found, server) }
        return found
    }

    /// What the engine calls itself: `Docker/20.10.24 (linux)`; `Docker` while it has not been reached.
    package func serverName() -> String { greeting.withLock { $0?.server } ?? "Docker" }

    // MARK: inside

    private func send(
        _ method: HTTPMethod, _ path: String, query: Query, headers: Query = [], body: ByteBuffer? = nil,
        timeout: Duration?
    ) async throws(EngineError) -> ByteBuffer {
        let reply = try await raw(method, path, query: query, headers: headers, body: body, timeout: timeout)
        guard 200..<300 ~= reply.status else { throw Self.error(reply.status, reply.body) }
        return reply.body
    }

    private func request(
        _ method: HTTPMethod, _ path: String, _ query: Query, _ body: ByteBuffer?, _ contentType: String
    ) async throws(EngineError) -> HTTPClientRequest {
        let version = try await engineVersion()
        var request = Self.named(HTTPClientRequest(url: url("/v\(version)" + EnginePath.target(path, query: query))))
        request.method = method
        if let body {
            request.headers.add(name: "Content-Type", value: contentType)
            request.body = .bytes(body)
        }
        return request
    }

    private func perform(_ request: HTTPClientRequest, timeout: Duration?) async throws(EngineError) -> Reply {
        let start = ContinuousClock.now
        var status = "none"
        defer {
            stopwatch.add(["method": request.method.rawValue, "status": status], ContinuousClock.now - start)
        }
        do {
            let deadline = timeout.map { NIODeadline.now() + TimeAmount($0) } ?? .distantFuture
            let response = try await http.execute(request, deadline: deadline)
            let body = try await response.body.collect(upTo: bodyLimit)
            status = "\(response.status.code / 100)xx"
            return Reply(status: Int(response.status.code), headers: response.headers, body: body)
        } catch {
            throw failure(error)
        }
    }

    /// HTTP/1.1 wants a host, and the client gives none over a unix socket: Docker Engine refuses that with 400.
    private static func named(_ request: HTTPClientRequest) -> HTTPClientRequest {
        var request = request
        request.headers.replaceOrAdd(name: "Host", value: "docker")
        return request
    }

    private func url(_ target: String) -> String { "http+unix://\(EnginePath.escape(socketPath))\(target)" }

    private func failure(_ error: any Error) -> EngineError {
        if let error = error as? EngineError { return error }
        return EngineError(
            status: 0, message: "cannot reach Docker Engine at \(socketPath): \(error); is dockerd running?")
    }

    private static func error(_ status: Int, _ body: ByteBuffer) -> EngineError {
        struct Message: Decodable { var message: String }
        let text = String(buffer: body)
        let said = try? JSONDecoder().decode(Message.self, from: Data(text.utf8)).message
        return EngineError(status: status, message: said ?? (text.isEmpty ? "status \(status)" : text))
    }

    private static func encode(_ body: some Encodable) throws(EngineError) -> ByteBuffer {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return ByteBuffer(bytes: try encoder.encode(body))
        } catch {
            throw EngineError(status: 0, message: "cannot write \(type(of: body)) as JSON: \(error)")
        }
    }

    private func decode<T: Decodable>(_ body: ByteBuffer, from path: String) throws(EngineError) -> T {
        do {
            return try JSONDecoder().decode(T.self, from: Data(body.readableBytesView))
        } catch {
            throw EngineError(status: 0, message: "cannot read the engine's answer to \(path): \(error)")
        }
    }
}
