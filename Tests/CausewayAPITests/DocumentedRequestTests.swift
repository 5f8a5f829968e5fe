import CausewayTestKit
import Foundation
import Testing

@testable import CausewayAPI

/// Requests made from Docker's own description of its API: every call, with everything that can be wrong with it.
@Suite(.serialized) struct DocumentedRequestTests {
    private static let isFull = HostileRequestTests.isFull
    private static let seed = HostileRequestTests.seed

    /// What Docker answers beside the statuses that its document declares for a call.
    private static let undeclared: [Int: String] = [
        400: "a parameter or a body that cannot be read, or means nothing",
        403: "what the swarm made itself",
        404: "no such page",
        405: "a method that the engine does not know",
        409: "what is in use, or there already",
        413: "a body beyond the limit",
        415: "a body that is not JSON",
        431: "a head beyond the limit",
        501: "what Docker does and Causeway does not, by its name; a transfer coding that nobody knows",
        503: "outside a swarm",
        505: "another protocol",
    ]

    /// Calls of the document that have no route, and why.
    private static let withoutRoute: [String: String] = [:]

    @Test func `every call of the swarm that Docker describes has a route, and no other has`() async throws {
        let api = try EngineAPI.read()
        #expect(api.calls.count > 40)
        let described = Set(api.calls.map { Self.anonymous($0.name) })
        try await House.with(script: OwnRoutesTests.engine) { house in
            let routes = Set(house.calls.map { Self.anonymous("\($0.method) \($0.path)") })
            #expect(described.subtracting(routes) == Set(Self.withoutRoute.keys))
            #expect(routes.subtracting(described).isEmpty)
        }
    }

    @Test func `every call with everything that can be wrong with it`() async throws {
        let api = try EngineAPI.read()
        let faults = DocumentedRequest.Fault.allCases
        try await OneOfEach.with { swarm in
            let (memory, files) = (try Self.residentBytes(), try Self.openFiles())
            for number in 0..<(Self.isFull ? 10_000 : api.calls.count * faults.count) {
                var dice = SeededGenerator(seed: Self.seed &* 1_000_003 &+ UInt64(number))
                let call = api.calls[number % api.calls.count]
                let fault = faults[number / api.calls.count % faults.count]
                try await swarm.settle()
                let request = swarm.request(to: call, with: fault, &dice)
                try await check(request, swarm, "seed \(Self.seed), number \(number): \(request.description)")
            }
            #expect(try await swarm.house.call("GET", "/v1.41/services").status == 200)
            let grown = try Self.residentBytes() - memory
            #expect(grown < 128 << 20, "the process grew by \(grown >> 20) MiB")
            // What was refused in the midst is read out for two seconds at most, by the server: nobody is told of its end.
            let limit = ContinuousClock.now + .seconds(10)
            while try Self.openFiles() > files + 8, .now < limit { try await Task.sleep(for: .milliseconds(50)) }
            #expect(try Self.openFiles() <= files + 8, "connections are left open")
        }
    }

    private func check(_ request: DocumentedRequest, _ swarm: OneOfEach, _ label: String) async throws {
        let before = swarm.revision
        let answer: String
        do {
            answer = try await blocking {
                let client = try RawSocket.connect(swarm.house.socket)
                // The server may refuse, and close, before it has heard all.
                do { try client.send(request.bytes) } catch is RawSocket.Failed {}
                client.finishSending()
                return try client.receiveToEnd()
            }
        } catch {
            Issue.record("\(error): \(label)")
            return
        }
        guard let reply = try? Reply(answer) else {
            Issue.record("no answer to \(label): \(answer.prefix(200))")
            return
        }
        let shown = "\(reply.status) \(reply.body.prefix(300)) to \(label)"
        let changed = swarm.revision != before
        guard reply.status >= 400 else {
            #expect(request.call.statuses.contains(reply.status), "\(shown)")
            #expect(!request.mustBeRefused, "\(shown)")
            #expect(!changed || request.call.method != "GET", "a GET changed the store: \(shown)")
            return
        }
        #expect(!changed, "refused, and the store has changed: \(shown)")
        if reply.status == 500 {
            #expect(HostileRequestTests.sentencesOf500.contains { reply.message.contains($0) }, "\(shown)")
        } else {
            #expect(request.call.statuses.contains(reply.status) || Self.undeclared[reply.status] != nil, "\(shown)")
        }
        guard request.call.method != "HEAD" else { return }
        #expect(!(reply.object["message"] as? String ?? "").isEmpty, "\(shown)")
        #expect(reply.header("Content-Type") == "application/json", "\(shown)")
        #expect(reply.header("Content-Length") == "\(reply.body.utf8.count)", "\(shown)")
        let inside = ["DecodingError", "Error Domain", "CodingKeys", "Optional(", "Swift.", "NIO", ".swift"]
        #expect(!inside.contains { reply.message.contains($0) }, "of the program, not of the request: \(shown)")
    }

    private static func anonymous(_ call: String) -> String { call.replacing(/\{[^}]*\}/, with: "{}") }

    private static func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
        return (Int(pages) ?? 0) * Int(getpagesize())
    }

    private static func openFiles() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}
