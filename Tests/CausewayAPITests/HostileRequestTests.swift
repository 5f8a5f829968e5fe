import CausewayManager
import CausewayModel
import CausewayStore
import CausewayTestKit
import Foundation
import Logging
import Testing

@testable import CausewayAPI

/// Malformed, oversized, unknown and hostile requests to every call: each is answered, none is half done.
@Suite(.serialized) struct HostileRequestTests {
    static let isFull = ProcessInfo.processInfo.environment["CAUSEWAY_FULL"] != nil
    static let seed = ProcessInfo.processInfo.environment["CAUSEWAY_SEED"].flatMap(UInt64.init) ?? 1

    /// What Docker answers with; 500 with the few sentences alone that it has there.
    static let statuses: Set<Int> = [
        200, 201, 204, 301, 400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 417, 431, 501, 503, 505,
    ]
    static let sentencesOf500 = [
        "update out of sequence", "you must choose at least one stream", "constraint expected one operator",
    ]

    /// The bodies that have a schema, by their call, with what else they need.
    static let bodies: [(call: String, schema: BodySchema, base: [String: String])] = [
        ("/services/create", .service, ["Name": #""h""#, "TaskTemplate": #"{"ContainerSpec":{"Image":"i"}}"#]),
        ("/services/web/update?version=SERVICE", .service, ["TaskTemplate": #"{"ContainerSpec":{"Image":"i"}}"#]),
        ("/networks/create", .network, ["Name": #""h""#, "Driver": #""overlay""#]),
        ("/swarm/init", .swarmInit, [:]),
        ("/swarm/join", .swarmJoin, [:]),
        ("/swarm/update?version=CLUSTER", .cluster, [:]),
        ("/nodes/self/update?version=NODE", .node, [:]),
    ]

    /// Docker Engine that answers whatever comes: some of it is no request at all.
    private static let engine: FakeEngine.Script = { head, socket in
        let words = head.split(separator: " ")
        guard words.count > 2 else {
            return try socket.answer(#"{"message":"bad request"}"#, status: "400 Bad Request")
        }
        // It would wait for more that never comes.
        guard !words[1].contains("/logs") else { return try socket.answer("{}") }
        try OwnRoutesTests.engine(head, socket)
    }

    /// A manager with a service and a network, behind a server.
    private func withHouse(_ body: @escaping @Sendable (House, MemoryStore) async throws -> Void) async throws {
        let store = MemoryStore()
        let manager = try await RealManager.make(store)
        var service = Swarm.ServiceSpec(name: "web", taskTemplate: Swarm.TaskSpec(containerSpec: .init(image: "i")))
        service.mode = .replicated(1)
        _ = try await manager.createService(service)
        _ = try await manager.createNetwork(Swarm.NetworkSpec(name: "net"))
        try await House.with(manager: manager, script: Self.engine) { house in try await body(house, store) }
    }

    /// Sends one, and looks at what came of it.
    private func check(_ house: House, _ store: MemoryStore, _ request: String, _ label: String) async throws {
        let before = store.snapshot()
        let answer = try await blocking {
            let client = try RawSocket.connect(house.socket)
            // The server may refuse, and close, before it has heard all.
            try? client.send(request)
            client.finishSending()
            return try client.receiveToEnd()
        }
        let reply = try #require(try? Reply(answer), "no answer to \(label): \(answer.prefix(200))")
        let shown = "\(label): \(reply.status) \(reply.message.prefix(300))"
        if reply.status == 500 {
            #expect(Self.sentencesOf500.contains { reply.message.contains($0) }, "\(shown)")
        } else {
            #expect(Self.statuses.contains(reply.status), "\(shown)")
        }
        guard reply.status >= 400 else { return }
        #expect(
            request.hasPrefix("HEAD") || !reply.message.isEmpty && !reply.message.hasPrefix("no message"), "\(shown)")
        #expect(store.snapshot().revision == before.revision, "\(shown)")
    }

    /// With the versions that the objects have now.
    private static func current(_ call: String, _ view: StoreSnapshot) -> String {
        let versions = [
            ("SERVICE", view.services.all.first { $0.spec.name == "web" }?.meta.version),
            ("CLUSTER", view.cluster?.meta.version), ("NODE", view.nodes.sorted.first?.meta.version),
        ]
        return versions.reduce(call) { $0.replacing($1.0, with: "\($1.1?.index ?? 0)") }
    }

    private static func post(_ call: String, _ body: String) -> String {
        "POST \(call) HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\r\n\(body)"
    }

    @Test func `every field of every body with a value that it cannot have`() async throws {
        try await withHouse { house, store in
            var dice = SeededGenerator(seed: Self.seed)
            for (call, schema, base) in Self.bodies {
                for place in schema.places {
                    let values = Self.isFull ? Hostile.json : (0..<3).map { _ in dice.pick(Hostile.json) }
                    for value in values {
                        let body = schema.body(value, at: place, over: base)
                        try await check(
                            house, store, Self.post(Self.current(call, store.snapshot()), body), "\(call) \(body)")
                    }
                }
            }
        }
    }

    @Test func `random requests to every call`() async throws {
        try await withHouse { house, store in
            var dice = SeededGenerator(seed: Self.seed)
            let calls = house.calls
            #expect(calls.count > 40)
            for number in 0..<(Self.isFull ? 10_000 : 600) {
                let request = Self.request(to: dice.pick(calls), &dice)
                try await check(house, store, request, "seed \(Self.seed), number \(number): \(request.prefix(600))")
            }
            // It serves as before.
            #expect(try await house.call("GET", "/v1.41/services").status == 200)
        }
    }

    /// A request with something wrong with it, somewhere.
    private static func request(to call: (method: String, path: String), _ dice: inout SeededGenerator) -> String {
        var path = call.path.replacing("{id}", with: dice.pick(Hostile.words.filter { !$0.isEmpty } + ["web", "net"]))
            .replacing("{image...}", with: dice.pick(["a/b", "A", "x:%00", "x@sha256:0"]))
        if dice.oneIn(8) { path += "/" + dice.pick(Hostile.words) }
        // A stream that nobody ends would have no answer.
        var query = call.path == "/events" ? ["until=1"] : []
        for _ in 0..<Int(dice.next() % 4) where call.path != "/swarm/leave" {
            query.append("\(dice.pick(Hostile.parameters))=\(dice.pick(Hostile.words))")
        }
        let target = dice.pick(Hostile.versions) + path + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
        let method = dice.oneIn(6) ? dice.pick(["PUT", "PATCH", "BREW", "HEAD", "OPTIONS"]) : call.method
        let body = Self.body(&dice)
        var head = ["\(method) \(target) HTTP/1.1", "Host: d", "Connection: close"]
        if dice.oneIn(6) {
            head.append(dice.pick(Hostile.headers))
        } else {
            head += ["Content-Type: application/json", "Content-Length: \(body.utf8.count)"]
        }
        return head.joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    private static func body(_ dice: inout SeededGenerator) -> String {
        let (_, schema, base) = dice.pick(bodies)
        let good = schema.body(dice.pick(Hostile.json), at: dice.pick(schema.places), over: base)
        switch dice.next() % 8 {
        case 0: return ""
        case 1: return dice.pick(Hostile.json)
        case 2: return String(good.prefix(Int(dice.next() % UInt64(good.count + 1))))
        case 3: return good + good
        case 4: return String(repeating: dice.pick(["[", "{\"a\":"]), count: 20_000)
        case 5: return good.replacing("\"", with: "'")
        default: return good
        }
    }

    @Test(arguments: [
        ("POST /services/create HTTP/1.1\r\nContent-Length: 17000000\r\n\r\n", 413),
        ("POST /services/create HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
        ("GET /" + String(repeating: "x", count: 1 << 20) + " HTTP/1.1\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\n" + String(repeating: "A: b\r\n", count: 100_000) + "\r\n", 431),
        ("GET  HTTP/1.1\r\n\r\n", 400), ("\u{0}\u{1}\u{2}\r\n\r\n", 400), ("GET /services HTTP/9.9\r\n\r\n", 505),
    ])
    func `what is too large or no request at all`(_ request: String, _ status: Int) async throws {
        try await withHouse { house, store in
            let before = store.snapshot().revision
            let answer = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try? client.send(request)
                if status == 413 { try? client.send([UInt8](repeating: 0x20, count: 17_000_000)) }
                client.finishSending()
                return try client.receiveToEnd()
            }
            let reply = try Reply(answer)
            #expect(reply.status == status || reply.status == 400, "\(reply.status) \(reply.message.prefix(200))")
            #expect(store.snapshot().revision == before)
        }
    }
}
