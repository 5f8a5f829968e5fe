import CausewayModel
import Foundation
import GRPCCore
import Logging
import SwiftProtobuf

/// The calls that need no certificate of the cluster.
struct CertificateService: Causeway_Session_V1_CertificateAuthority.SimpleServiceProtocol {
    let door: SessionDoor
    let dispatch: any NodeDispatch
    let lines: SessionLines
    let managers: @Sendable () async -> [String]

    func rootCertificate(
        request: Causeway_Session_V1_RootCertificateRequest, context: ServerContext
    ) async throws -> Causeway_Session_V1_RootCertificateResponse {
        do {
            let pem = try await dispatch.roots().certificate
            return .with { $0.pem = pem }
        } catch {
            throw door.refuse(context, node: nil, error)
        }
    }

    func issue(
        request: Causeway_Session_V1_IssueRequest, context: ServerContext
    ) async throws -> Causeway_Session_V1_IssueResponse {
        // Before anything is changed: a node that cannot be given a certificate is not let in either.
        do {
            _ = try CertificateAuthority.read(request.signingRequest)
        } catch {
            throw door.refuse(context, .invalidArgument, "\(error)")
        }
        let admission = try await admission(request, context)
        let now = door.environment.now()
        var response = Causeway_Session_V1_IssueResponse()
        do {
            let authority = CertificateAuthority(certificate: admission.caCertificate, key: admission.caKey)
            var generator = SystemRandomNumberGenerator()
            response.certificate = try authority.issue(
                request.signingRequest, for: admission, at: now, using: &generator)
        } catch {
            throw door.refuse(context, .invalidArgument, "\(error)")
        }
        response.rootCertificate = admission.caCertificate
        response.managers = await managers()
        lines.renewed(admission.nodeID, until: now.advanced(by: admission.validity))
        door.environment.logger.info(
            "issued a certificate",
            metadata: [
                "node": "\(admission.nodeID)", "role": "\(admission.role.rawValue)", "peer": "\(context.remotePeer)",
                "for": "\(request.joinJson.isEmpty ? "renewal" : "join")",
            ])
        return response
    }

    /// A token opens the door for whom the manager says; without one, the certificate says who it is.
    private func admission(
        _ request: Causeway_Session_V1_IssueRequest, _ context: ServerContext
    ) async throws(RPCError) -> Admission {
        guard !request.joinJson.isEmpty else {
            let member = try door.member(context)
            do {
                return try await dispatch.renew(member.nodeID)
            } catch {
                throw door.refuse(context, node: member.nodeID, error)
            }
        }
        let join: JoinRequest
        do {
            join = try JSONDecoder().decode(JoinRequest.self, from: request.joinJson)
        } catch {
            throw door.refuse(context, .invalidArgument, "the request to join cannot be read: \(error)")
        }
        do {
            return try await dispatch.admit(join)
        } catch {
            throw door.refuse(context, node: join.nodeID, error)
        }
    }
}
