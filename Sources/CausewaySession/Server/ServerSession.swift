import CausewayModel
import Foundation
import GRPCCore
import Logging
import SwiftProtobuf
import Synchronization

/// One session of one node, from its hello to its end.
struct ServerSession: Sendable {
    typealias FromNode = Causeway_Session_V1_FromNode
    typealias ToNode = Causeway_Session_V1_ToNode

    let service: DispatcherService
    let member: NodeCertificate
    let line: SessionLine
    let context: ServerContext
    let writer: RPCWriter<ToNode>

    private var door: SessionDoor { service.door }
    private var dispatch: any NodeDispatch { service.dispatch }

    /// Ends with the node's stream, or with the manager's assignments, whichever ends first.
    func run(_ messages: RPCAsyncSequence<FromNode, any Error>) async throws {
        let (grants, granted) = AsyncStream.makeStream(of: NodeSessionGrant.self)
        let opened = Opened()
        let result: Result<Void, any Error> = await withTaskGroup(of: Result<Void, any Error>.self) { group in
            group.addTask { await Self.result { try await listen(messages, opened, granted) } }
            group.addTask { await Self.result { try await follow(grants) } }
            group.addTask { await Self.result { try await write() } }
            let first = await group.next() ?? .success(())
            granted.finish()
            line.end()
            group.cancelAll()
            return first
        }
        if let session = opened.session {
            await dispatch.close(session)
            door.environment.logger.info(
                "session over", metadata: ["node": "\(member.nodeID)", "peer": "\(context.remotePeer)"])
        }
        try result.get()
    }

    private static func result(_ body: () async throws -> Void) async -> Result<Void, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }

    // MARK: From the node

    private func listen(
        _ messages: RPCAsyncSequence<FromNode, any Error>, _ opened: Opened,
        _ granted: AsyncStream<NodeSessionGrant>.Continuation
    ) async throws {
        for try await message in messages {
            guard let session = opened.session else {
                let grant = try await open(message)
                opened.session = grant.session
                granted.yield(grant)
                continue
            }
            try await take(message, session)
        }
    }

    private func open(_ message: FromNode) async throws -> NodeSessionGrant {
        guard case .helloJson(let data) = message.message else {
            throw door.refuse(context, .invalidArgument, "node \(member.nodeID): its first message is not a hello")
        }
        let hello = try decode(NodeHello.self, data, "hello")
        let grant: NodeSessionGrant
        do {
            grant = try await dispatch.open(hello, from: member.nodeID)
            try await dispatch.certified(member.nodeID, by: member.root)
        } catch {
            throw door.refuse(context, node: member.nodeID, error)
        }
        door.environment.logger.info(
            "session", metadata: ["node": "\(member.nodeID)", "peer": "\(context.remotePeer)"])
        return grant
    }

    private func take(_ message: FromNode, _ session: NodeSessionID) async throws {
        do {
            switch message.message {
            case .heartbeat:
                try checkCertificate()
                try await dispatch.heartbeat(session)
                try await writer.write(.with { $0.heartbeat = .init() })
            case .reports(let reports): try await take(reports, session)
            case .applied(let revision): try await dispatch.applied(revision, in: session)
            case .observedJson(let data):
                try await dispatch.observed(try decode([PeerObservation].self, data, "observations"), in: session)
            case .answer(let part): line.answer(part)
            case .wholeWanted: line.wantWhole()
            case .helloJson, nil:
                throw door.refuse(context, .invalidArgument, "node \(member.nodeID): a message without sense")
            }
        } catch let error as SwarmError {
            // Not final for the node: whether it may open another session is for that attempt to find out.
            throw door.refuse(context, .aborted, "node \(member.nodeID): \(error)")
        }
    }

    /// What is refused is answered, so that it is not sent again and again; the session goes on.
    private func take(_ reports: Causeway_Session_V1_TaskReports, _ session: NodeSessionID) async throws {
        let values = try decode([TaskReport].self, reports.reportsJson, "reports")
        var taken = Causeway_Session_V1_ReportsTaken()
        taken.number = reports.number
        do {
            try await dispatch.report(values, in: session)
        } catch  where error.reason == .unavailable {
            throw error
        } catch {
            taken.refusal = door.refuse(context, node: member.nodeID, error).message
        }
        try await writer.write(.with { $0.reportsTaken = taken })
    }

    private func checkCertificate() throws {
        let end = service.lines.end(of: member)
        guard door.environment.now() <= end else {
            throw door.refuse(context, .unauthenticated, "node \(member.nodeID): its certificate has expired at \(end)")
        }
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ data: Data, _ what: String) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch {
            throw door.refuse(
                context, .invalidArgument, "node \(member.nodeID): its \(what) cannot be read: \(error)")
        }
    }

    // MARK: To the node

    /// Grants, then hands on assignments until the manager ends them: another session of this node, or its removal.
    private func follow(_ grants: AsyncStream<NodeSessionGrant>) async throws {
        for await grant in grants {
            try await writer.write(
                .with { $0.grant.heartbeatNanoseconds = UInt64(max(0, grant.heartbeatPeriod.rawValue)) })
            let managers = await service.managers()
            try await writer.write(.with { $0.managers.addresses = managers })
            service.lines.opened(line)
            for await assignment in grant.assignments { line.offer(assignment) }
            guard !Task.isCancelled else { return }
            throw RPCError(code: .aborted, message: "the manager has ended this session of node \(member.nodeID)")
        }
    }

    private func write() async throws {
        for await _ in line.wakeups {
            while let message = try line.nextMessage() { try await writer.write(message) }
        }
    }

    /// What the hello has opened.
    private final class Opened: Sendable {
        private let content = Mutex<NodeSessionID?>(nil)

        var session: NodeSessionID? {
            get { content.withLock { $0 } }
            set { content.withLock { $0 = newValue } }
        }
    }
}
