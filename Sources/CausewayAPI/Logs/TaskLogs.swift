import CausewayEngine
import CausewayModel
import NIOCore
import NIOHTTP1

/// Which part of a container's log is wanted; manager and node say it to each other.
package struct LogRequest: Hashable, Codable, Sendable {
    /// Docker Engine's identifier.
    package var container: String
    /// Parameters of `GET /containers/{id}/logs`.
    package var parameters: [String: String]

    package init(container: String, parameters: [String: String]) {
        self.container = container
        self.parameters = parameters
    }
}

/// Reads logs of tasks' containers, on whichever node they are.
package protocol TaskLogs: Sendable {
    typealias Take = @Sendable (ByteBuffer) async throws -> Void

    /// Hands a log on as Docker Engine writes it, each piece when the one before was taken; returns at its end.
    ///
    /// A container that is gone has none, and that is no error. Throws ``LogInterruption`` when the node cannot be
    /// reached or is lost, anything else for good; and what `take` throws.
    func read(_ request: LogRequest, on node: Swarm.ID, to take: @escaping Take) async throws
}

/// The node whose log is read is away, or went away.
package struct LogInterruption: Error, Hashable, Sendable, CustomStringConvertible {
    /// For the reader, in Swarm's words.
    package var description: String

    /// `hasBegun`: Whether it was there, and was lost.
    package init(node: Swarm.ID, hasBegun: Bool) {
        description = hasBegun ? "node \(node) disconnected unexpectedly" : "node \(node) is not available"
    }
}

/// The logs of this node's own Docker Engine.
package struct EngineLogs: TaskLogs {
    private let engine: EngineClient

    package init(engine: EngineClient) { self.engine = engine }

    package func read(_ request: LogRequest, on node: Swarm.ID, to take: @escaping Take) async throws {
        let stream: EngineStream
        do throws(EngineError) {
            stream = try await engine.stream(
                .GET, "/containers/\(request.container)/logs",
                query: request.parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        } catch {
            guard error.isNotFound else { throw error }
            return
        }
        for try await bytes in stream { try await take(bytes) }
    }
}
