import CausewayEngine
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix

/// Serves one client's connection, request after request: each is answered here or by Docker Engine.
struct ServerConnection: Sendable {
    let front: ByteChannel
    let routes: RouteTable
    let engine: EngineClient
    let logger: Logger
    /// The largest body of a call of ours.
    let bodyLimit: Int

    /// Runs until the client goes, or the connection can carry no further request.
    func run() async {
        await withTaskCancellationHandler {
            do {
                while try await serveOne() == .nextRequest {}
                await linger()
            } catch let fault as HTTPFault {
                logger.debug("a client does not speak HTTP", metadata: ["fault": "\(fault)"])
                await refuse(APIError(fault.status, fault.message))
            } catch {
                logger.debug("a connection broke", metadata: ["error": "\(error)"])
            }
        } onCancel: {
            front.close()
        }
        front.close()
    }

    private func serveOne() async throws -> PassThrough.Outcome {
        guard let head = try await readHead() else { return .close }
        let body = BodyScanner(try BodyFraming(request: head))
        let target = RequestTarget(head.target)
        let writer = ResponseWriter(front: front, head: head, server: engine.serverName())
        do {
            try target.check()
        } catch {
            try await writer.refuse(error, closes: true)
            return .close
        }
        switch routes.match(head.method, target.path) {
        case .engine: return try await passThrough(head, target, body, writer)
        case .notFound:
            try await writer.refuse(.pageNotFound, closes: !body.isComplete)
            return body.isComplete && head.keepsAlive ? .nextRequest : .close
        case .ours(let handler, let captures):
            return try await answer(head, target, body, writer, handler, captures)
        }
    }

    /// `nil` when the client has gone, between two requests.
    private func readHead() async throws -> RequestHead? {
        var buffer = ByteBuffer()
        while true {
            if let message = try MessageHead.take(from: &buffer) {
                await front.unread(buffer)
                return try RequestHead(message)
            }
            guard var bytes = try await front.read() else {
                guard buffer.readableBytes == 0 else { throw HTTPFault(400, "the request ended within its head") }
                return nil
            }
            buffer.writeBuffer(&bytes)
        }
    }

    // MARK: ours

    private func answer(
        _ head: RequestHead, _ target: RequestTarget, _ body: BodyScanner, _ writer: ResponseWriter,
        _ handler: Route.Handler, _ captures: [String: String]
    ) async throws -> PassThrough.Outcome {
        let collector = BodyCollector(front: front, scanner: body, limit: bodyLimit, expects: head.expectsContinue)
        let request = APIRequest(
            method: head.method, target: target, captures: captures,
            version: target.version ?? RequestTarget.newest, headers: head.headers,
            body: { () async throws(APIError) in try await collector.collect() })
        let reply: APIReply
        do {
            reply = try await handler(request)
        } catch {
            // What is left of the body would be taken for the next request.
            let closes = await !collector.finish() || !head.keepsAlive
            try await writer.refuse(error, closes: closes)
            return closes ? .close : .nextRequest
        }
        switch reply {
        case .passThrough(let collected):
            guard let collected else { return try await passThrough(head, target, body, writer) }
            return try await passThrough(head, target, collected, writer)
        case .answer(let response):
            let closes = await !collector.finish() || !head.keepsAlive
            try await writer.write(response, closes: closes)
            return closes ? .close : .nextRequest
        }
    }

    // MARK: Docker Engine's

    /// With a body that has been read already.
    private func passThrough(
        _ head: RequestHead, _ target: RequestTarget, _ body: ByteBuffer, _ writer: ResponseWriter
    ) async throws -> PassThrough.Outcome {
        var head = head
        for name in ["transfer-encoding", "content-length", "expect"] { head.headers.remove(name: name) }
        head.headers.add(name: "Content-Length", value: "\(body.readableBytes)")
        return try await passThrough(head, target, BodyScanner(.none), writer, first: body)
    }

    private func passThrough(
        _ head: RequestHead, _ target: RequestTarget, _ body: BodyScanner, _ writer: ResponseWriter,
        first: ByteBuffer = ByteBuffer()
    ) async throws -> PassThrough.Outcome {
        do {
            let version = try await engine.engineVersion()
            let back = try await connect()
            defer { back.close() }
            var head = head
            head.target = target.text(for: version)
            var start = head.bytes
            start.writeImmutableBuffer(first)
            do { try await back.write(start) } catch {
                throw EngineError(
                    status: 502,
                    message: "Docker Engine at \(engine.socketPath) closed the connection (\(error)); is it restarting?"
                )
            }
            return try await PassThrough(
                front: front, back: back, head: head, body: body, enginePath: engine.socketPath
            ).run()
        } catch let error as EngineError {
            try await writer.refuse(APIError(error), closes: true)
            return .close
        } catch {
            // The answer has begun, so its missing end is all that can be said.
            logger.debug("an answer of Docker Engine broke off", metadata: ["error": "\(error)"])
            return .close
        }
    }

    private func connect() async throws(EngineError) -> ByteChannel {
        do {
            return try await ByteChannel.connect(
                to: engine.socketPath, on: MultiThreadedEventLoopGroup.singleton)
        } catch {
            throw EngineError(
                status: 0, message: "cannot reach Docker Engine at \(engine.socketPath): \(error); is dockerd running?")
        }
    }

    // MARK: the end

    /// Says what is wrong to whoever is still there.
    private func refuse(_ error: APIError) async {
        let head = try? RequestHead(MessageHead(line: ("GET", "/", "HTTP/1.1"), headers: [:]))
        guard let head else { return }
        let writer = ResponseWriter(front: front, head: head, server: engine.serverName())
        do { try await writer.refuse(error, closes: true) } catch { return }
        await linger()
    }

    /// Ends our side first and reads on for a moment: to close with bytes unread would take the answer from the client.
    private func linger() async {
        await front.closeOutput()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [front] in
                do { while try await front.read() != nil {} } catch { return }
            }
            group.addTask {
                do { try await Task.sleep(for: .seconds(2)) } catch { return }
            }
            await group.next()
            group.cancelAll()
        }
    }
}
