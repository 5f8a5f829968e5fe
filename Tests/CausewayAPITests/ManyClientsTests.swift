import CausewayManager
import CausewayModel
import CausewayStore
import Foundation
import Synchronization
import Testing

/// Many clients with streams open at once, of whom some do not read.
@Suite(.serialized) struct ManyClientsTests {
    /// More than all that this process may grow by, for one client that does not read.
    private static let loggedBytes = 4 << 20
    private static let readBytes = 512 << 10
    private static let each = 50

    /// Docker Engine with a container that has much to say, and nothing to tell by `/events`.
    private static let engine: FakeEngine.Script = { head, socket in
        let target = String(head.split(separator: " ")[1])
        let start = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if target.contains("/events") {
            try socket.send(start + "Transfer-Encoding: chunked\r\n\r\n")
            while socket.receivePatiently() != nil {}
        } else if target.contains("/containers/talker/logs") {
            try socket.send(start + "\r\n")
            let line = [UInt8](repeating: UInt8(ascii: "x"), count: 4088)
            let frame: [UInt8] = [1, 0, 0, 0, 0, 0, 0x0f, 0xf8] + line
            // Those who read are told less: what they hear is not kept anywhere.
            let bytes = target.contains("tail=7") ? readBytes : loggedBytes
            for _ in 0..<(bytes / frame.count) { try socket.send(frame) }
            while socket.receivePatiently() != nil {}
        } else {
            try socket.answer("{}")
        }
    }

    /// 200 clients, `events` and `logs --follow`: half of them read, and hear all of it; the other half read nothing.
    ///
    /// What is kept for one that does not read is bounded: 50 of them times all that there is to say would be 200 MB.
    @Test func `slow readers cost little, and nobody waits for them`() async throws {
        let store = MemoryStore()
        let manager = try await RealManager.make(store)
        try await House.with(manager: manager, script: Self.engine) { house in
            let service = try await manager.createService(
                Swarm.ServiceSpec(name: "talks", taskTemplate: Swarm.TaskSpec(containerSpec: .init(image: "i"))))
            try await store.write(at: Timestamp(seconds: 1_800_000_000)) { transaction throws(SwarmError) in
                var task = Swarm.Task(id: "talker", meta: service.meta, service: service, slot: 1)
                task.status.state = .running
                task.status.container = .init(id: "talker")
                try transaction.create(task)
            }
            let running = Task { await manager.run() }
            defer { running.cancel() }
            let before = try Self.residentBytes()
            let logs = "/v1.41/services/talks/logs?follow=1&stdout=1&tail="
            var silent: [RawSocket] = []
            var readers: [Reader] = []
            for (unread, read) in [(logs + "all", logs + "7"), ("/v1.41/events", "/v1.41/events")] {
                for _ in 0..<Self.each {
                    silent.append(try await Self.open(unread, at: house.socket))
                    readers.append(Reader(try await Self.open(read, at: house.socket)))
                }
            }
            for number in 0..<600 {
                let network = try await manager.createNetwork(Swarm.NetworkSpec(name: "n\(number)"))
                try await manager.removeNetwork(network.id)
            }
            // Those who read hear all of it, however many do not.
            for (index, reader) in readers.enumerated() {
                try await reader.wait(index < Self.each ? .bytes(Self.readBytes) : .text(#""name":"n599""#))
            }
            let grown = try Self.residentBytes() - before
            print("200 streams, 100 of them unread: \(grown >> 20) MB")
            #expect(grown < 150 << 20, "\(grown >> 20) MB")
            #expect(try await house.call("GET", "/v1.41/services/talks").status == 200)
            for socket in silent + readers.map(\.socket) { socket.hangUp() }
        }
    }

    /// Sends a request, and waits for the head of its answer.
    private static func open(_ target: String, at path: String) async throws -> RawSocket {
        try await blocking {
            let socket = try RawSocket.connect(path)
            try socket.send("GET \(target) HTTP/1.1\r\nHost: d\r\n\r\n")
            let head = try socket.receive(until: "\r\n\r\n")
            try #require(head.hasPrefix("HTTP/1.1 200"), "\(head)")
            return socket
        }
    }

    private static func residentBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
        return try #require(Int(line.filter(\.isNumber))) << 10
    }
}

extension RawSocket {
    /// The next bytes, however long they take, within five minutes; `nil` at the end.
    fileprivate func receivePatiently() -> [UInt8]? {
        for _ in 0..<15 {
            if let bytes = try? receive() { return bytes.isEmpty ? nil : bytes }
        }
        return nil
    }
}

/// Reads on a thread of its own; counts, and keeps the end.
private final class Reader: Sendable {
    enum Goal: Sendable {
        case bytes(Int)
        case text(String)
    }

    struct Late: Error, CustomStringConvertible {
        var description: String
    }

    let socket: RawSocket
    private let state = Mutex((count: 0, last: [UInt8]()))

    init(_ socket: RawSocket) {
        self.socket = socket
        Thread.detachNewThread { [self] in
            while let bytes = socket.receivePatiently() {
                state.withLock { state in
                    state.count += bytes.count
                    state.last = (state.last + bytes).suffix(4096)
                }
            }
        }
    }

    /// Waits until it has read so much, or such a thing.
    func wait(_ goal: Goal) async throws {
        let limit = ContinuousClock.now.advanced(by: .seconds(120))
        while !hasReached(goal) {
            guard ContinuousClock.now < limit else {
                throw Late(description: "has read \(state.withLock { $0.count })")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private func hasReached(_ goal: Goal) -> Bool {
        state.withLock { state in
            switch goal {
            case .bytes(let count): state.count >= count
            case .text(let text): String(decoding: state.last, as: UTF8.self).contains(text)
            }
        }
    }
}
