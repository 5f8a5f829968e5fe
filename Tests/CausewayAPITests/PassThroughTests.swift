import Dispatch
import Foundation
import Synchronization
import Testing

/// What is not ours goes to Docker Engine, and comes back, as it is.
@Suite(.serialized) struct PassThroughTests {
    @Test func `a request reaches the engine with its version rewritten and nothing else`() async throws {
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 201 Created\r\nX-b: 2\r\nx-A: 1\r\nContent-Length: 4\r\n\r\n{}\r\n")
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "GET /v1.50/containers/json?all=1&x=%2F HTTP/1.1\r\nHost: d\r\nX-odd:  v \r\nuser-agent: t\r\n\r\n")
                return try client.receive(until: "{}\r\n")
            }

            #expect(answer == "HTTP/1.1 201 Created\r\nX-b: 2\r\nx-A: 1\r\nContent-Length: 4\r\n\r\n{}\r\n")
            #expect(
                house.engine?.heads == [
                    "GET /v1.41/containers/json?all=1&x=%2F HTTP/1.1\r\nHost: d\r\nX-odd: v\r\nuser-agent: t\r\n\r\n"
                ])
        }
    }

    @Test func `an older version than the engine's, and none, go through as they are`() async throws {
        try await House.with { _, socket in
            try socket.answer("[]")
        } during: { house in
            _ = try await house.call("GET", "/v1.30/images/json")
            _ = try await house.call("GET", "/images/json")

            #expect(house.engine?.heads.map { $0.split(separator: " ")[1] } == ["/v1.30/images/json", "/images/json"])
        }
    }

    @Test func `one connection carries requests to us and to the engine in turn`() async throws {
        try await House.with { head, socket in
            if head.hasPrefix("POST") { _ = try socket.receive(count: 5) }
            try socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        } during: { house in
            let seen = try await blocking {
                let client = try RawSocket.connect(house.socket)
                var seen: [String] = []
                for _ in 0..<3 {
                    try client.send("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
                    seen.append(String(try client.receive(until: "OK\r\n").prefix(15)))
                    _ = try client.receive(until: "\r\n\r\n")
                    seen.append(try client.receive(count: 2))
                    try client.send("POST /containers/x/foo HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\n\r\nhello")
                    seen.append(String(try client.receive(until: "0\r\n\r\n").suffix(11)))
                }
                return seen
            }

            #expect(seen == (0..<3).flatMap { _ in ["HTTP/1.1 200 OK", "OK", "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"] })
        }
    }

    @Test func `a hijacked connection is closed one direction at a time, client first`() async throws {
        let heard = Mutex("")
        try await House.with { head, socket in
            let body = try socket.receive(count: 13)
            try socket.send(
                "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            )
            try socket.send("ready\n")
            let input = try socket.receiveToEnd()
            heard.withLock { $0 = body + "|" + input }
            try socket.send("last words")
            socket.hangUp()
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "POST /v1.50/exec/1/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
                        + "Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"Tty\":false}early ")
                _ = try client.receive(until: "ready\n")
                try client.send("late")
                client.finishSending()
                return try client.receiveToEnd()
            }

            #expect(answer == "last words")
            #expect(heard.withLock { $0 } == "{\"Tty\":false}|early late")
        }
    }

    @Test func `a hijacked connection is closed one direction at a time, engine first`() async throws {
        let heard = Mutex("")
        let done = DispatchSemaphore(value: 0)
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nout")
            socket.finishSending()
            let input = try socket.receiveToEnd()
            heard.withLock { $0 = input }
            done.signal()
        } during: { house in
            try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
                #expect(try client.receiveToEnd().hasSuffix("out"))
                try client.send("still here")
                client.finishSending()
                #expect(done.wait(timeout: .now() + 10) == .success)
            }

            #expect(heard.withLock { $0 } == "still here")
        }
    }

    @Test func `an upgrade that the engine refuses is an ordinary answer`() async throws {
        try await House.with { _, socket in
            try socket.answer("{\"message\":\"No such exec\"}", status: "404 Not Found")
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "POST /exec/1/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}"
                )
                return try client.receive(until: "exec\"}")
            }
            #expect(answer.hasPrefix("HTTP/1.1 404"))
        }
    }

    @Test func `an answer without a length ends with the connection`() async throws {
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\none ")
            try socket.send("two")
            socket.hangUp()
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("GET /containers/x/logs HTTP/1.1\r\nHost: d\r\n\r\n")
                return try client.receiveToEnd()
            }
            #expect(answer.hasSuffix("\r\n\r\none two"))
        }
    }

    @Test func `a client that goes takes its request with it`() async throws {
        let ended = DispatchSemaphore(value: 0)
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            _ = try socket.receiveToEnd()
            ended.signal()
        } during: { house in
            try await blocking {
                do {
                    let client = try RawSocket.connect(house.socket)
                    try client.send("GET /containers/x/stats HTTP/1.1\r\nHost: d\r\n\r\n")
                    _ = try client.receive(until: "\r\n\r\n")
                }
                #expect(ended.wait(timeout: .now() + 10) == .success)
            }
        }
    }

    @Test func `an engine that breaks off breaks the answer off`() async throws {
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            socket.hangUp()
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("GET /images/x/get HTTP/1.1\r\nHost: d\r\n\r\n")
                return try client.receiveToEnd()
            }
            #expect(answer.hasSuffix("half"))
        }
    }

    @Test func `an answer that comes before the upload is complete reaches the client`() async throws {
        try await House.with { _, socket in
            _ = try socket.receive(10)
            try socket.answer("{\"message\":\"no\"}", status: "400 Bad Request")
            socket.hangUp()
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "POST /build HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n")
                return try client.receive(until: "no\"}")
            }
            #expect(answer.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func `a body that ends early ends early for the engine too`() async throws {
        try await House.with { _, socket in
            let body = try socket.receiveToEnd()
            try socket.answer("{\"message\":\"got \(body)\"}", status: "400 Bad Request")
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("POST /containers/x/update HTTP/1.1\r\nHost: d\r\nContent-Length: 10\r\n\r\nhalf")
                client.finishSending()
                return try client.receiveToEnd()
            }
            #expect(answer.hasSuffix(#"{"message":"got half"}"#))
        }
    }

    @Test func `a body for the engine that is not HTTP is refused, not left without an answer`() async throws {
        try await House.with { _, socket in
            // It waits for a body that never comes.
            _ = try socket.receiveToEnd()
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("POST /build/prune HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
                client.finishSending()
                return try Reply(client.receiveToEnd())
            }
            #expect(answer.status == 400)
            #expect(answer.message == "malformed size of a chunk")
        }
    }

    @Test func `the engine's own 100 Continue is passed on`() async throws {
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 100 Continue\r\n\r\n")
            _ = try socket.receive(count: 3)
            try socket.answer("{}")
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "PUT /containers/x/archive HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
                )
                #expect(try client.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                try client.send("tar")
                return try client.receive(until: "{}")
            }
            #expect(answer.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `an engine that is not there is a clear answer`() async throws {
        try await House.with(script: nil) { house in
            let reply = try await house.call("GET", "/v1.50/containers/json")

            #expect(reply.status == 502)
            #expect(reply.header("content-type") == "application/json")
            #expect(reply.message.hasPrefix("cannot reach Docker Engine at "))
            #expect(reply.message.hasSuffix("is dockerd running?"))
        }
    }

    @Test func `an old client attaches without asking for an upgrade, and its input arrives`() async throws {
        let heard = Mutex("")
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nready\n")
            let input = try socket.receiveToEnd()
            heard.withLock { $0 = input }
            try socket.send("last words")
            socket.hangUp()
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("POST /containers/x/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: d\r\n\r\n")
                _ = try client.receive(until: "ready\n")
                try client.send("some input")
                client.finishSending()
                return try client.receiveToEnd()
            }
            #expect(answer == "last words")
            #expect(heard.withLock { $0 } == "some input")
        }
    }

    @Test func `chunks, their extensions and their trailers go both ways as they are`() async throws {
        let body = "5;a=b\r\nhello\r\n00\r\nX-Sum: 1\r\nx-more:  2\r\n\r\n"
        let heard = Mutex("")
        try await House.with { _, socket in
            let seen = try socket.receive(count: body.utf8.count)
            heard.withLock { $0 = seen }
            try socket.send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("POST /build HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
                let answer = try client.receive(until: "x-more:  2\r\n\r\n")
                // The connection is good for another request.
                try client.send("HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
                #expect(try client.receive(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
                return answer
            }
            #expect(answer.hasSuffix("\r\n\r\n" + body))
            #expect(heard.withLock { $0 } == body)
        }
    }

    @Test func `requests that are sent at once are answered in their order`() async throws {
        try await House.with { head, socket in
            if head.hasPrefix("POST") { _ = try socket.receive(count: 3) }
            // The later a request, the sooner its answer would come.
            if head.contains("/first") { Thread.sleep(forTimeInterval: 0.1) }
            try socket.answer("\"\(head.split(separator: " ")[1])\"")
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "GET /images/first HTTP/1.1\r\nHost: d\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
                        + "POST /images/second HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc"
                        + "GET /images/third HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
                return try client.receiveToEnd()
            }
            let bodies = answer.components(separatedBy: "\r\n\r\n").dropFirst().map { part in
                String(part.prefix { !"H".contains($0) && $0 != "\r\n" })
            }
            #expect(bodies == ["\"/images/first\"", "OK", "\"/images/second\"", "\"/images/third\""])
        }
    }

    /// The engine may have answered before the task that sent it the body's last byte goes on.
    @Test func `an answer that comes with the last byte of a body leaves the connection to the next request`()
        async throws
    {
        let count = 1000
        try await House.with { head, socket in
            if head.hasPrefix("POST") { _ = try socket.receive(count: 3) }
            try socket.answer("\"\"")
        } during: { house in
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                let one = "POST /images/x HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\n\r\nabc"
                let last = "GET /images/last HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
                try client.send(String(repeating: one, count: count) + last)
                return try client.receiveToEnd()
            }
            #expect(answer.components(separatedBy: "HTTP/1.1 200").count - 1 == count + 1)
        }
    }

    @Test func `many connections at once`() async throws {
        try await House.with { _, socket in
            try socket.answer("[]")
        } during: { house in
            let answered = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let target = number % 2 == 0 ? "/_ping" : "/images/json"
                        return try await house.call("GET", target).status == 200
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(answered == 200)
        }
    }

    @Test(arguments: ["GET /images/json", "POST /images/load", "POST /containers/x/attach"])
    func `an engine that goes before it answers is named, and is asked again when it is back`(
        _ request: String
    ) async throws {
        let isAway = Mutex(true)
        try await House.with { _, socket in
            guard isAway.withLock({ $0 }) else { return try socket.answer("{}") }
            socket.hangUp()
        } during: { house in
            let words = request.split(separator: " ").map(String.init)
            let broken = try await house.call(words[0], words[1])
            #expect(broken.status == 502)
            #expect(broken.message.hasPrefix("Docker Engine at \(house.engine?.path ?? "")"), "\(broken.message)")
            #expect(broken.message.hasSuffix("; is it restarting?"))

            isAway.withLock { $0 = false }
            let after = try await house.call(words[0], words[1])
            #expect(after.status == 200)
        }
    }

    @Test func `an engine that reads slowly holds the client back, and nothing is lost`() async throws {
        let size = 64 << 20
        let sent = Counter()
        let mayRead = DispatchSemaphore(value: 0)
        try await House.with { _, socket in
            mayRead.wait()
            var count = 0
            while count < size { count += try socket.receive(1 << 20).count }
            try socket.answer("\(count)")
        } during: { house in
            let client = try RawSocket.connect(house.socket)
            async let answer = blocking {
                try client.send("POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: \(size)\r\n\r\n")
                let block = [UInt8](repeating: 9, count: 1 << 16)
                for _ in 0..<(size >> 16) {
                    try client.send(block)
                    sent.add(block.count)
                }
                return try client.receive(until: "\(size)")
            }
            try await Task.sleep(for: .milliseconds(500))
            #expect(sent.count < 4 << 20)
            mayRead.signal()
            let head = try await answer
            #expect(head.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `a hijacked connection carries much both ways at once, and stays out of memory`() async throws {
        let size = isFull ? 1 << 30 : 64 << 20
        let received = Mutex(0)
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            // Sends back what it gets, as `attach` to `cat` does.
            while true {
                let bytes = try socket.receive(1 << 16)
                guard !bytes.isEmpty else { break }
                received.withLock { $0 += bytes.count }
                try socket.send(bytes)
            }
            socket.hangUp()
        } during: { house in
            let before = residentBytes()
            let client = try RawSocket.connect(house.socket)
            try await blocking {
                try client.send(
                    "POST /containers/x/attach HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
                _ = try client.receive(until: "\r\n\r\n")
            }
            async let sending: Void = blocking {
                let block = [UInt8](repeating: 5, count: 1 << 16)
                for _ in 0..<(size >> 16) { try client.send(block) }
                client.finishSending()
            }
            let count = try await blocking {
                var count = 0
                while true {
                    let bytes = try client.receive(1 << 16)
                    guard !bytes.isEmpty else { return count }
                    count += bytes.count
                }
            }
            try await sending
            #expect(count == size)
            #expect(received.withLock { $0 } == size)
            #expect(residentBytes() - before < 64 << 20)
        }
    }

    @Test func `a large download and a large upload stay out of memory`() async throws {
        let size = isFull ? 1 << 30 : 256 << 20
        let received = Mutex(0)
        try await House.with { head, socket in
            let block = [UInt8](repeating: 7, count: 1 << 20)
            if head.hasPrefix("GET") {
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
                for _ in 0..<(size >> 20) { try socket.send(block) }
            } else {
                var count = 0
                while count < size { count += try socket.receive(1 << 20).count }
                received.withLock { $0 = count }
                try socket.answer("{}")
            }
        } during: { house in
            let before = residentBytes()
            let downloaded = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("GET /images/x/get HTTP/1.1\r\nHost: d\r\n\r\n")
                _ = try client.receive(until: "\r\n\r\n")
                var count = 0
                while count < size { count += try client.receive(1 << 20).count }
                return count
            }
            try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send("POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: \(size)\r\n\r\n")
                let block = [UInt8](repeating: 9, count: 1 << 20)
                for _ in 0..<(size >> 20) { try client.send(block) }
                #expect(try client.receive(until: "{}").hasPrefix("HTTP/1.1 200"))
            }

            #expect(downloaded == size)
            #expect(received.withLock { $0 } == size)
            #expect(residentBytes() - before < 64 << 20)
        }
    }

    @Test func `a reader that stops stops the engine, and nothing is lost`() async throws {
        let size = 64 << 20
        let sent = Mutex(0)
        try await House.with { _, socket in
            try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            let block = [UInt8](repeating: 7, count: 1 << 16)
            for _ in 0..<(size >> 16) {
                try socket.send(block)
                sent.withLock { $0 += block.count }
            }
        } during: { house in
            let client = try RawSocket.connect(house.socket)
            try await blocking {
                try client.send("GET /images/x/get HTTP/1.1\r\nHost: d\r\n\r\n")
                _ = try client.receive(until: "\r\n\r\n")
            }
            // Time enough for a server without back-pressure to swallow all of it.
            try await Task.sleep(for: .milliseconds(700))
            #expect(sent.withLock { $0 } < 4 << 20)

            let count = try await blocking {
                var count = 0
                while count < size { count += try client.receive(1 << 20).count }
                return count
            }
            #expect(count == size)
        }
    }
}

/// A count that several threads may raise.
private final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add(_ more: Int) { value.withLock { $0 += more } }
}

/// Whether the issue's own numbers are wanted: `scripts/test --full`.
private let isFull = ProcessInfo.processInfo.environment["CAUSEWAY_FULL"] != nil

/// What this process holds in memory.
private func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}
