import CausewayModel
import Foundation
import Testing

@testable import CausewayKeeper

@Suite struct MessageTests {
    @Test func `messages come out of a stream as they went in, wherever it is cut`() throws {
        let requests = [
            KeeperRequest(hello: .init(version: 1, release: "0.2.0")),
            KeeperRequest(keep: KeeperChange()), KeeperRequest(counters: .init()),
        ]
        let bytes = try requests.flatMap { try MessageStream.framed($0) }
        for size in [1, 3, 7, bytes.count] {
            var stream = MessageStream()
            var found: [KeeperRequest] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                stream.append(bytes[start..<min(start + size, bytes.count)])
                while let message = try stream.next() {
                    found.append(try JSONDecoder().decode(KeeperRequest.self, from: message))
                }
            }
            #expect(found.count == 3)
            #expect(found[0].hello?.release == "0.2.0")
            #expect(found[1].keep != nil && found[2].counters != nil)
        }
    }

    @Test func `a length that no message has is refused`() throws {
        var stream = MessageStream()
        stream.append(Array("GET / HTTP/1.1\r\n".utf8))
        #expect(throws: MessageStream.TooLong.self) { try stream.next() }
    }

    @Test func `fields of a newer release are ignored`() throws {
        let text = """
            {"hello": {"version": 2, "release": "9.9.9", "mood": "good"}, "dance": {"steps": 3}}
            """
        let request = try JSONDecoder().decode(KeeperRequest.self, from: Data(text.utf8))
        #expect(request.hello?.version == 2)
        let reply = try JSONDecoder().decode(
            KeeperReply.self, from: Data(#"{"kept": {"ports": [], "resolvers": [], "x": 1}}"#.utf8))
        #expect(reply.kept?.isEmpty == true)
    }

    @Test func `a change that an older release sends lacks the newest fields`() throws {
        let change = try JSONDecoder().decode(KeeperChange.self, from: Data("{}".utf8))
        #expect(!change.isWhole && !change.mayEnd && change.ports.isEmpty && change.resolvers.isEmpty)
    }
}
