import CausewayModel
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import X509

/// Decides who may come in: each call is judged by the certificate that its connection has shown, when it is made.
struct SessionDoor: Sendable {
    let credentials: ServerCredentials
    let environment: SessionEnvironment

    /// Whose call it is; refuses all but nodes of this cluster.
    func member(_ context: ServerContext) throws(RPCError) -> NodeCertificate {
        let shown = (context.transportSpecific as? HTTP2ServerTransport.Posix.Context)?.peerCertificate
        guard let shown else { throw refuse(context, .unauthenticated, "the connection has shown no certificate") }
        let content = credentials.current
        do {
            let member = try content.trust.member(shown, at: environment.now())
            guard member.clusterID == content.clusterID else {
                throw CertificateRefusal(.stranger, "it is of cluster \(member.clusterID)")
            }
            return member
        } catch let refusal as CertificateRefusal {
            throw refuse(context, .unauthenticated, "the certificate \"\(shown.subject)\" is refused: \(refusal)")
        } catch {
            throw refuse(context, .unauthenticated, "the certificate cannot be read: \(error)")
        }
    }

    /// Logs a refusal and makes the answer of it.
    func refuse(_ context: ServerContext, _ code: RPCError.Code, _ reason: String) -> RPCError {
        environment.logger.warning(
            "refused a call",
            metadata: [
                "call": "\(context.descriptor.method)", "peer": "\(context.remotePeer)", "reason": "\(reason)",
            ])
        return RPCError(code: code, message: reason)
    }

    /// The same, for what the manager refused.
    func refuse(_ context: ServerContext, node: Swarm.ID?, _ error: SwarmError) -> RPCError {
        refuse(context, RPCError.Code(error.reason), node.map { "node \($0): \(error)" } ?? error.message)
    }
}

extension RPCError.Code {
    /// Of `forbidden` and `notFound` a node concludes that it is not of the cluster any more.
    init(_ reason: SwarmError.Reason) {
        self =
            switch reason {
            case .invalid: .invalidArgument
            case .forbidden, .unauthorized, .notFound: .permissionDenied
            case .conflict, .outOfSequence: .aborted
            case .unsupported: .unimplemented
            case .unavailable: .unavailable
            case .internal: .internalError
            }
    }

    /// Back into the model's words, at the other end.
    var reason: SwarmError.Reason {
        switch self {
        case .invalidArgument: .invalid
        case .permissionDenied, .unauthenticated: .forbidden
        case .aborted: .conflict
        case .unimplemented: .unsupported
        case .unavailable, .deadlineExceeded, .cancelled: .unavailable
        default: .internal
        }
    }
}
