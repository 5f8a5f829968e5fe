import CausewayModel
import Foundation
import GRPCCore
import Logging
import SwiftProtobuf

/// The calls of the cluster's nodes.
struct DispatcherService: Causeway_Session_V1_Dispatcher.SimpleServiceProtocol {
    typealias FromNode = Causeway_Session_V1_FromNode
    typealias ToNode = Causeway_Session_V1_ToNode

    let door: SessionDoor
    let dispatch: any NodeDispatch
    let requests: any SessionRequests
    let lines: SessionLines
    let managers: @Sendable () async -> [String]

    func leave(
        request: Causeway_Session_V1_LeaveRequest, context: ServerContext
    ) async throws -> Causeway_Session_V1_LeaveResponse {
        let member = try door.member(context)
        do {
            try await dispatch.left(member.nodeID)
        } catch {
            throw door.refuse(context, node: member.nodeID, error)
        }
        return Causeway_Session_V1_LeaveResponse()
    }

    func ask(
        request: Causeway_Session_V1_Question, context: ServerContext
    ) async throws -> Causeway_Session_V1_Reply {
        let member = try door.member(context)
        guard let roles = requests.roles(mayAsk: request.kind) else {
            throw door.refuse(
                context, .unimplemented, "node \(member.nodeID): no question has the kind \"\(request.kind)\"")
        }
        guard roles.contains(member.role) else {
            throw door.refuse(
                context, .permissionDenied,
                "node \(member.nodeID) is a \(member.role.rawValue): \"\(request.kind)\" is not its to ask")
        }
        do {
            // Whether it is still of the cluster is the manager's to say, for questions too.
            _ = try await dispatch.renew(member.nodeID)
            let peer = SessionPeer(nodeID: member.nodeID, role: member.role)
            let body = try await requests.ask(peer, kind: request.kind, body: request.body)
            return .with { $0.body = body }
        } catch {
            throw door.refuse(context, node: member.nodeID, error)
        }
    }

    /// Hands each part to who has asked for it, and says so; the next is read when it was taken.
    func deliver(
        request: RPCAsyncSequence<Causeway_Session_V1_Answer, any Error>,
        response: RPCWriter<Causeway_Session_V1_Taken>, context: ServerContext
    ) async throws {
        let member = try door.member(context)
        let (begun, begin) = AsyncStream.makeStream(of: AnswerStream.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var stream: AnswerStream?
                var counts = false
                do {
                    for try await part in request {
                        if stream == nil {
                            guard let found = lines.line(to: member.nodeID)?.beginStream(part.id) else { return }
                            begin.yield(found)
                            stream = found
                            counts = part.counts
                        }
                        guard part.error.isEmpty else { throw SwarmError(.internal, part.error) }
                        if !part.body.isEmpty {
                            try await stream?.take(part.body)
                            if counts { try await response.write(.init()) }
                        }
                        if !part.more { stream?.end(.success(())) }
                    }
                    // Without effect behind a last part.
                    throw RPCError(code: .aborted, message: "it broke off")
                } catch let error as RPCError {
                    let why = "the stream of node \(member.nodeID) is lost: \(error.message)"
                    stream?.end(.failure(SwarmError(.unavailable, why)))
                } catch {
                    stream?.end(.failure(error))
                }
            }
            group.addTask {
                // Who has asked may go while there is nothing to take.
                for await stream in begun {
                    for await _ in stream.closing {}
                    return
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    func session(
        request: RPCAsyncSequence<FromNode, any Error>, response: RPCWriter<ToNode>, context: ServerContext
    ) async throws {
        let member = try door.member(context)
        let line = SessionLine(
            peer: SessionPeer(nodeID: member.nodeID, role: member.role), root: member.root, numbers: lines.numbers)
        let session = ServerSession(service: self, member: member, line: line, context: context, writer: response)
        defer {
            line.end()
            lines.closed(line)
        }
        try await session.run(request)
    }
}
