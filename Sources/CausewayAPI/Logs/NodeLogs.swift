import CausewayModel
import Foundation
import NIOCore
import Synchronization

/// The logs of all nodes' tasks: this node's from its own Docker Engine, those of others over their sessions.
package struct NodeLogs: TaskLogs {
    /// What a manager asks a node to stream.
    package static let kind = "logs"

    package typealias Stream =
        @Sendable (
            _ node: Swarm.ID, _ body: Data, _ take: @escaping @Sendable (Data) async throws -> Void
        ) async throws -> Void

    private let nodeID: Swarm.ID
    private let own: EngineLogs
    private let stream: Stream

    /// `stream`: Asks another node; throws a `SwarmError` with `unavailable` when it is away, or is lost.
    package init(nodeID: Swarm.ID, own: EngineLogs, stream: @escaping Stream) {
        self.nodeID = nodeID
        self.own = own
        self.stream = stream
    }

    package func read(_ request: LogRequest, on node: Swarm.ID, to take: @escaping Take) async throws {
        guard node != nodeID else { return try await own.read(request, on: node, to: take) }
        let begun = Begun()
        do {
            try await stream(node, try JSONEncoder().encode(request)) { part in
                begun.note()
                try await take(ByteBuffer(bytes: part))
            }
        } catch let error as SwarmError where error.reason == .unavailable {
            throw LogInterruption(node: node, hasBegun: begun.isNoted)
        }
    }

    private final class Begun: Sendable {
        private let flag = Atomic(false)
        var isNoted: Bool { flag.load(ordering: .relaxed) }
        func note() { flag.store(true, ordering: .relaxed) }
    }
}

extension EngineLogs {
    /// Gives a manager the log that it asks of this node.
    package func answer(
        _ kind: String, _ body: Data, to write: @escaping @Sendable (Data) async throws -> Void
    ) async throws {
        guard kind == NodeLogs.kind else {
            throw SwarmError(.unsupported, "this node streams nothing of kind \"\(kind)\"")
        }
        let request = try JSONDecoder().decode(LogRequest.self, from: body)
        // A path of Docker Engine's is made of it.
        guard !request.container.isEmpty, request.container.allSatisfy(\.isHexDigit) else {
            throw SwarmError(.invalid, "\"\(request.container)\" is no container's identifier")
        }
        try await read(request, on: "") { bytes in try await write(Data(bytes.readableBytesView)) }
    }
}
