import CausewayModel
import Foundation
import GRPCCore
import SwiftProtobuf

/// How a node comes into a cluster: it learns the root, checks it against its token, and only then shows the token.
package struct Joining: Sendable {
    typealias Authority = Causeway_Session_V1_CertificateAuthority.Client

    private let environment: SessionEnvironment
    /// How long one manager may take to answer.
    private let patience: Duration

    package init(environment: SessionEnvironment, patience: Duration = .seconds(10)) {
        self.environment = environment
        self.patience = patience
    }

    /// Asks the managers in turn until one answers; writes the credentials to the state folder.
    ///
    /// A manager that cannot be reached is passed over. A refusal is final, because the others would say the same; and
    /// who shows a root that the token does not pin never sees the token.
    package func join(
        _ request: JoinRequest, through managers: [String], folder: String
    ) async throws(SwarmError) -> NodeCredentials {
        guard let token = JoinToken(request.token) else {
            throw SwarmError(.invalid, "invalid join token: it has not the form SWMTKN-1-DIGEST-SECRET")
        }
        var failures: [String] = []
        for text in managers {
            guard let address = ManagerAddress(text) else {
                throw SwarmError(.invalid, "\"\(text)\" is not the address of a manager: HOST:PORT is")
            }
            do {
                let credentials = try await join(request, token, at: address)
                try credentials.write(in: folder)
                return credentials
            } catch  where error.reason == .unavailable {
                failures.append("\(address): \(error)")
            }
        }
        throw SwarmError(
            .unavailable,
            "cannot join: no manager answers (\(failures.joined(separator: "; "))); is TCP port 2377 open there?")
    }

    private func join(
        _ request: JoinRequest, _ token: JoinToken, at address: ManagerAddress
    ) async throws(SwarmError) -> NodeCredentials {
        do {
            let key = try NodeKey(at: environment.now())
            let root = try await rootCertificate(of: address, key)
            guard token.pins(certificate: root) else {
                throw SwarmError(
                    .forbidden,
                    "remote CA does not match fingerprint: \(address) shows a root certificate that the join token was "
                        + "not made for; is it a manager of that swarm?")
            }
            let trust = try ClusterTrust(root: root)
            let joinJSON = try JSONEncoder().encode(request)
            let issued = try await connection(address, key, .cluster(trust)).withClient { client in
                try await Authority(wrapping: client).issue(
                    .with {
                        $0.signingRequest = key.signingRequest
                        $0.joinJson = joinJSON
                    }, options: options)
            }
            let others = issued.managers.filter { $0 != "\(address)" }
            let credentials = NodeCredentials(
                key: key.pem, certificate: issued.certificate, root: root, issuedAt: environment.now(),
                managers: ["\(address)"] + others)
            _ = try credentials.identity()
            return credentials
        } catch let error as SwarmError {
            throw error
        } catch let error as RPCError {
            throw SwarmError(error.code.reason, error.message)
        } catch {
            throw SwarmError(.internal, "cannot join through \(address): \(error)")
        }
    }

    private func rootCertificate(of address: ManagerAddress, _ key: NodeKey) async throws -> String {
        try await connection(address, key, .nobodyYet).withClient { client in
            try await Authority(wrapping: client).rootCertificate(.init(), options: options).pem
        }
    }

    private func connection(
        _ address: ManagerAddress, _ key: NodeKey, _ trust: ManagerConnection.Trust
    ) -> ManagerConnection {
        ManagerConnection(
            address: address, certificate: key.ownCertificate, key: key.pem, trust: trust, now: environment.now)
    }

    private var options: CallOptions {
        var options = ManagerConnection.options
        options.timeout = patience
        return options
    }
}
