import NIOCore

@testable import CausewayAPI

extension FuzzTarget {
    /// A message's head: from a client, or from Docker Engine.
    static let httpMessage = FuzzTarget(name: "http-message") { bytes in
        var buffer = ByteBuffer(bytes: bytes)
        guard let head = try? MessageHead.take(from: &buffer) else { return }
        // What is written of it is read as the same again: a request is passed on in these words.
        var again = head.bytes
        let second = try? MessageHead.take(from: &again)
        promise(second != nil && again.readableBytes == 0, "a head that was read cannot be read again")
        promise(second?.line.0 == head.line.0 && second?.line.1 == head.line.1, "the first line changed")
        promise(second?.headers == head.headers, "the headers changed")
        if let request = try? RequestHead(head) {
            _ = try? BodyFraming(request: request)
            _ = (request.keepsAlive, request.asksForUpgrade, request.expectsContinue)
            let target = RequestTarget(request.target)
            try? target.check()
            _ = target.text(for: RequestTarget.newest)
        }
        if let response = try? ResponseHead(head) { _ = try? BodyFraming(response: response, to: "GET") }
    }

    /// A body in chunks, in one piece and in two: it must come to the same.
    static let httpBody = FuzzTarget(name: "http-body") { bytes in
        guard let cut = bytes.first.map(Int.init) else { return }
        let body = Array(bytes.dropFirst())
        let whole = scan([body])
        let parts = scan([Array(body.prefix(cut)), Array(body.dropFirst(cut))])
        promise(whole == parts, "a body cut at \(cut) reads \(parts), in one piece \(whole)")
    }

    private struct Scanned: Equatable {
        var payload: [UInt8]
        var rest: Int
        var isComplete: Bool
        var isRefused: Bool
    }

    private static func scan(_ pieces: [[UInt8]]) -> Scanned {
        var scanner = BodyScanner(.chunked)
        var scanned = Scanned(payload: [], rest: 0, isComplete: false, isRefused: false)
        var buffer = ByteBuffer()
        for piece in pieces {
            buffer.writeBytes(piece)
            do {
                scanned.payload += Array(try scanner.take(from: &buffer, decoded: true).readableBytesView)
            } catch {
                // How much came before what was refused depends on how it came.
                return Scanned(payload: [], rest: 0, isComplete: false, isRefused: true)
            }
        }
        scanned.rest = buffer.readableBytes
        scanned.isComplete = scanner.isComplete
        return scanned
    }
}
