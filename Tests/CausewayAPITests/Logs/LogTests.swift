import CausewayModel
import NIOCore
import Synchronization
import Testing

@testable import CausewayAPI

/// How logs of tasks are put together.
struct LogTests {
    @Test(arguments: [
        ("a,b", "a,b"), ("", ""), ("com.docker.swarm.task.id=forged,x=1", "x=1"),
    ])
    func `a line's own details stay, but for those that say whose it is`(_ given: String, _ kept: String) {
        var line = LogLine(
            ByteBuffer(string: "2026-01-02T03:04:05.000000006Z \(given) the text\n"), hasTime: true, hasDetails: true)
        line.add([("com.docker.swarm.task.id", "t 1")])

        let details = (["com.docker.swarm.task.id=t%201"] + kept.split(separator: ",").map(String.init)).sorted()
        #expect(String(buffer: line.bytes(withTime: false)) == details.joined(separator: ",") + " the text\n")
        #expect(String(buffer: line.bytes(withTime: true)).hasPrefix("2026-01-02T03:04:05.000000006Z "))
    }

    @Test func `what is asked of a node has times, and the moment to go on from`() throws {
        let options = try LogOptions(Query("stdout=1&follow=1&tail=3&since=12.5"))
        var position = LogPosition()
        #expect(
            options.parameters(isRaw: false, isLate: false, after: position) == [
                "stdout": "1", "stderr": "0", "follow": "1", "details": "0", "timestamps": "1", "tail": "3",
                "since": "12.500000000",
            ])
        #expect(options.parameters(isRaw: true, isLate: true, after: position)["timestamps"] == "0")
        #expect(options.parameters(isRaw: false, isLate: true, after: position)["tail"] == "all")
        _ = position.isNew(Timestamp(seconds: 20, nanoseconds: 7))
        let again = options.parameters(isRaw: false, isLate: false, after: position)
        #expect(again["since"] == "20.000000007" && again["tail"] == "all")
    }

    @Test(arguments: [
        ("stdout=0", "Bad parameters: you must choose at least one stream"),
        ("stdout=1&tail=x", "tail value must be a positive integer or \"all\""),
        ("stdout=1&tail=-1", "negative tail values not supported"), ("stdout=1&since=soon", "invalid since 'soon'"),
    ]) func `what no node could answer is refused at once`(_ query: String, _ says: String) {
        let error = #expect(throws: APIError.self) { try LogOptions(Query(Substring(query))) }
        #expect(error?.message.contains(says) == true)
    }

    @Test func `lines of the last moment are neither lost nor doubled when a log is taken up again`() {
        var position = LogPosition()
        let moments = [1, 2, 2, 2].map { Timestamp(seconds: Int64($0)) }
        for moment in moments {
            let isNew = position.isNew(moment)
            #expect(isNew)
        }

        position.takeUp()

        // The engine tells the last moment again, and what came since.
        let told = [2, 2, 2, 2, 3].map { Timestamp(seconds: Int64($0)) }
        let new = told.map { position.isNew($0) }
        #expect(new == [false, false, false, true, true])
        position.takeUp()
        let later = [3, 4].map { position.isNew(Timestamp(seconds: $0)) }
        #expect(later == [false, true])
    }

    @Test func `a node that was lost and is back goes on where it was`() async throws {
        let logs = Flaky(lines: (1...9).map { "line \($0)\n" }, breaksAfter: 4)
        let task = Self.task()
        let options = try LogOptions(Query("stdout=1&follow=1"))
        let reader = try #require(TaskLogReader(task, options, isRaw: false, isLate: false))
        let got = Mutex("")
        let writer = BodyWriter { bytes in
            var bytes = bytes
            bytes.moveReaderIndex(forwardBy: 8)
            got.withLock { $0 += String(buffer: bytes) }
        }

        let first = try await reader.read(from: logs, to: writer)
        #expect(first == .interrupted("node n1 disconnected unexpectedly", canGoOn: true))
        #expect(try await reader.read(from: logs, to: writer) == .whole)
        #expect(got.withLock { $0 } == logs.lines.joined())
    }

    @Test func `a client that is gone ends the reading`() async throws {
        struct Gone: Error {}
        let logs = Flaky(lines: ["a\n"], breaksAfter: 9)
        let options = try LogOptions(Query("stdout=1"))
        let reader = try #require(TaskLogReader(Self.task(), options, isRaw: false, isLate: false))
        await #expect(throws: Gone.self) {
            try await reader.read(from: logs, to: BodyWriter { _ in throw Gone() })
        }
    }

    @Test func `a reader of logs that stops stops the engine`() async throws {
        let size = 32 << 20
        let sent = Mutex(0)
        let text = "2026-01-02T03:04:05.000000006Z " + String(repeating: "x", count: 200) + "\n"
        let frames = Array(repeating: LogFrame(stream: 1, line: ByteBuffer(string: text)).bytes, count: 200)
        let block = frames.flatMap { Array($0.readableBytesView) }
        let engine: FakeEngine.Script = { head, socket in
            guard head.contains("/logs") else { return try OwnRoutesTests.engine(head, socket) }
            try socket.send("HTTP/1.1 200 OK\r\n\r\n")
            for _ in 0..<(size / block.count) {
                try socket.send(block)
                sent.withLock { $0 += block.count }
            }
            socket.hangUp()
        }
        try await House.with(script: engine) { house in
            _ = await house.addRunningTask(state: .complete)
            let client = try RawSocket.connect(house.socket)
            try await blocking {
                try client.send(
                    "GET /services/web/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
                _ = try client.receive(until: "\r\n\r\n")
            }
            // Time enough for a server without back-pressure to swallow all of it.
            try await Task.sleep(for: .seconds(1))
            #expect(sent.withLock { $0 } < 8 << 20)
            client.hangUp()
        }
    }

    /// To copy what is left of a piece for each of its lines had a manager with a hundred followers answer nothing for 10 s.
    @Test func `lines are read out of a piece without copying it`() throws {
        var piece = ByteBuffer()
        for _ in 0..<1000 { piece.writeImmutableBuffer(LogFrame(stream: 1, line: ByteBuffer(string: "line")).bytes) }
        let place = piece.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        var reader = LogFrameReader()
        reader.add(piece)

        for number in 0..<1000 {
            let line = try #require(try reader.next()).line
            let at = line.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
            #expect(at == place + UInt(number) * 12 + 8)
        }
        #expect(try reader.next() == nil)
    }

    @Test func `what is missing is said in Docker's words`() {
        var line = LogFrame.failure(["node a is not available", "task t has not been scheduled"]).line
        let text = line.readString(length: line.readableBytes)
        #expect(
            text == """
                Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some logs could not \
                be retrieved for the following reasons: node a is not available, task t has not been scheduled

                """)
    }

    private static func task() -> Swarm.Task {
        let meta = Swarm.Meta(createdAt: Timestamp(seconds: 1), updatedAt: Timestamp(seconds: 1))
        let service = Swarm.Service(
            id: "s1", meta: meta, spec: Swarm.ServiceSpec(name: "web", taskTemplate: Swarm.TaskSpec()))
        var task = Swarm.Task(id: "t1", meta: meta, service: service, slot: 1, nodeID: "n1")
        task.status.container = .init(id: "c1")
        return task
    }
}

/// A node that breaks off once, with two lines for each moment.
private final class Flaky: TaskLogs {
    let lines: [String]
    private let breaksAfter: Int
    private let hasBroken = Mutex(false)

    init(lines: [String], breaksAfter: Int) {
        self.lines = lines
        self.breaksAfter = breaksAfter
    }

    func read(_ request: LogRequest, on node: Swarm.ID, to take: @escaping Take) async throws {
        let since = request.parameters["since"].flatMap { Int64($0.split(separator: ".")[0]) } ?? 0
        let breaks = hasBroken.withLock { broken in
            defer { broken = true }
            return !broken && breaksAfter < lines.count
        }
        for (index, line) in lines.enumerated() {
            if breaks, index == breaksAfter { throw LogInterruption(node: node, hasBegun: true) }
            let seconds = 1_700_000_000 + Int64(index / 2)
            guard seconds >= since else { continue }
            let text = "\(Timestamp(seconds: seconds)) \(line)"
            try await take(LogFrame(stream: 1, line: ByteBuffer(string: text)).bytes)
        }
    }
}
