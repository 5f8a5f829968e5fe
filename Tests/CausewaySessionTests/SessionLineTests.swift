import CausewayModel
import Foundation
import Testing

@testable import CausewaySession

struct SessionLineTests {
    private let line = SessionLine(peer: SessionPeer(nodeID: Bed.worker, role: .worker))

    @Test func `the first assignment goes whole, the next as a change from the one that was sent`() throws {
        line.offer(Bed.assignment(1, peers: 3))
        #expect(try whole(line.nextMessage()) == Bed.assignment(1, peers: 3))
        #expect(try line.nextMessage() == nil)

        line.offer(Bed.assignment(2, peers: 4))

        #expect(try change(line.nextMessage())?.apply(to: Bed.assignment(1, peers: 3)) == Bed.assignment(2, peers: 4))
    }

    @Test func `a node that reads slowly misses those between, and the change is from what it has`() throws {
        line.offer(Bed.assignment(1))
        _ = try line.nextMessage()
        for revision in 2...9 { line.offer(Bed.assignment(UInt64(revision), peers: revision)) }

        #expect(try change(line.nextMessage())?.apply(to: Bed.assignment(1)) == Bed.assignment(9, peers: 9))
        #expect(try line.nextMessage() == nil)
    }

    @Test func `a node that cannot apply a change gets the whole, the newest if there is one`() throws {
        line.offer(Bed.assignment(1))
        _ = try line.nextMessage()

        line.wantWhole()
        #expect(try whole(line.nextMessage()) == Bed.assignment(1))

        line.wantWhole()
        line.offer(Bed.assignment(2))
        #expect(try whole(line.nextMessage()) == Bed.assignment(2))
        #expect(try line.nextMessage() == nil)
    }

    @Test func `whoever waits for an answer is told when the session is over`() async throws {
        async let answer = line.ask("inventory", Data())
        try await awaited("the question goes out") { try line.nextMessage()?.request.kind == "inventory" }

        line.end()

        guard case .failure(let error) = await answer else {
            Issue.record("an answer from nowhere")
            return
        }
        #expect(error.reason == .unavailable)
    }

    private func whole(_ message: Causeway_Session_V1_ToNode?) throws -> NodeAssignment? {
        guard case .wholeJson(let data) = message?.message else { return nil }
        return try JSONDecoder().decode(NodeAssignment.self, from: data)
    }

    private func change(_ message: Causeway_Session_V1_ToNode?) throws -> AssignmentChange? {
        guard case .changeJson(let data) = message?.message else { return nil }
        return try JSONDecoder().decode(AssignmentChange.self, from: data)
    }
}
