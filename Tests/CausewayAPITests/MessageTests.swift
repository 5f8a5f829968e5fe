import NIOCore
import NIOHTTP1
import Testing

@testable import CausewayAPI

/// Where a message ends, however its bytes come.
@Suite struct MessageTests {
    @Test func `a head is read the same however it is cut`() throws {
        let text = "POST /x?y=1 HTTP/1.1\r\nHost: d\r\nX-Odd:\t a b \r\nx-odd: 2\r\n\r\nrest"
        for cut in 0..<text.utf8.count {
            var buffer = ByteBuffer(bytes: Array(text.utf8).prefix(cut))
            let early = try MessageHead.take(from: &buffer)
            #expect((early != nil) == (cut >= text.utf8.count - 4))
            guard early == nil else { continue }
            buffer.writeBytes(Array(text.utf8).dropFirst(cut))
            let head = try #require(try MessageHead.take(from: &buffer))
            #expect(String(buffer: head.bytes) == "POST /x?y=1 HTTP/1.1\r\nHost: d\r\nX-Odd: a b\r\nx-odd: 2\r\n\r\n")
            #expect(String(buffer: buffer) == "rest")
        }
    }

    @Test func `a head without an end is not read for ever`() {
        var buffer = ByteBuffer(string: "GET / HTTP/1.1\r\nA: " + String(repeating: "x", count: MessageHead.limit))
        let fault = #expect(throws: HTTPFault.self) { try MessageHead.take(from: &buffer) }
        #expect(fault?.status == 431)
    }

    @Test func `chunked bodies end where they end, cut anywhere`() throws {
        let body = "5;ext=1\r\nhello\r\n0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
        let all = Array((body + "NEXT").utf8)
        for first in 0..<all.count {
            for decoded in [false, true] {
                var scanner = BodyScanner(.chunked)
                var taken = ByteBuffer()
                var rest = ByteBuffer()
                for part in [all[..<first], all[first...]] {
                    var buffer = ByteBuffer(bytes: part)
                    taken.writeImmutableBuffer(try scanner.take(from: &buffer, decoded: decoded))
                    rest.writeImmutableBuffer(buffer)
                }
                #expect(scanner.isComplete)
                #expect(String(buffer: taken) == (decoded ? "hello0123456789" : body))
                #expect(String(buffer: rest) == "NEXT")
            }
        }
    }

    @Test(arguments: ["x\r\n", "\r\n", "5\r\nhelloX", "-1\r\n", "1000000000000000\r\n", " 5\r\n"])
    func `a chunk that is not one is refused`(_ text: String) {
        var scanner = BodyScanner(.chunked)
        var buffer = ByteBuffer(string: text)
        #expect(throws: HTTPFault.self) { try scanner.take(from: &buffer) }
    }

    @Test func `random bytes never crash the readers`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SplitMix(state: seed)
        let alphabet = Array("0123456789abcdefGET /HTTP1.:;\r\n\r\n\r\n \t\0".utf8)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0..<80, using: &generator)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            }
            var head = ByteBuffer(bytes: bytes)
            _ = try? MessageHead.take(from: &head)
            var scanner = BodyScanner(.chunked)
            var body = ByteBuffer(bytes: bytes)
            let taken = try? scanner.take(from: &body)
            #expect((taken?.readableBytes ?? 0) + body.readableBytes <= bytes.count, "seed \(seed)")
        }
    }

    @Test(arguments: [
        ("HEAD", 200, [("Content-Length", "5")], BodyFraming.none), ("GET", 204, [], .none), ("GET", 304, [], .none),
        ("GET", 200, [("Content-Length", "5")], .length(5)), ("GET", 200, [("transfer-encoding", "Chunked")], .chunked),
        ("GET", 200, [], .untilClose), ("POST", 101, [], .none),
    ]) func `an answer's body ends as the protocol says`(
        _ method: String, _ status: Int, _ fields: [(String, String)], _ expected: BodyFraming
    ) throws {
        let head = MessageHead(line: ("HTTP/1.1", "\(status)", "x"), headers: HTTPHeaders(fields))
        #expect(try BodyFraming(response: ResponseHead(head), to: method) == expected)
    }
}

/// A generator whose numbers a seed names.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
