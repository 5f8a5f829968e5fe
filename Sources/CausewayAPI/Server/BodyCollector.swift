import NIOCore

/// Reads the body of a call of ours into memory, if it is asked for, and never more than a limit.
actor BodyCollector {
    private let front: ByteChannel
    private var scanner: BodyScanner
    private let limit: Int
    private var expectsContinue: Bool
    private var collected: ByteBuffer?

    init(front: ByteChannel, scanner: BodyScanner, limit: Int, expects expectsContinue: Bool) {
        self.front = front
        self.scanner = scanner
        self.limit = limit
        self.expectsContinue = expectsContinue
    }

    func collect() async throws(APIError) -> ByteBuffer {
        if let collected { return collected }
        var body = ByteBuffer()
        do {
            try await sayContinue()
            while let part = try await next() {
                guard body.readableBytes + part.readableBytes <= limit else {
                    throw APIError(413, "request body too large: the limit is \(limit) bytes")
                }
                body.writeImmutableBuffer(part)
            }
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(400, "cannot read the request's body: \(error)")
        }
        collected = body
        return body
    }

    /// Reads over what nobody asked for; `false` when that is too much, or the client is not even sending it.
    func finish() async -> Bool {
        guard !scanner.isComplete else { return true }
        guard !expectsContinue else { return false }
        var skipped = 0
        do {
            while let part = try await next() {
                skipped += part.readableBytes
                guard skipped <= limit else { return false }
            }
            return true
        } catch {
            return false
        }
    }

    private func sayContinue() async throws {
        guard expectsContinue, !scanner.isComplete else { return }
        expectsContinue = false
        try await front.write(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"))
    }

    /// The body's next bytes; `nil` at its end.
    private func next() async throws -> ByteBuffer? {
        guard !scanner.isComplete else { return nil }
        guard var bytes = try await front.read() else {
            throw HTTPFault(400, "the request's body ended before it was complete")
        }
        let part = try scanner.take(from: &bytes, decoded: true)
        await front.unread(bytes)
        return part
    }
}
