import CausewayModel
import Crypto
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Logging
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// One connection from a node to a manager, as long as `body` runs.
struct ManagerConnection: Sendable {
    typealias Client = GRPCClient<HTTP2ClientTransport.Posix>

    /// Whom the node takes for a manager.
    enum Trust: Sendable {
        /// Anybody: what is fetched over it has to prove itself.
        case nobodyYet
        /// Who shows a manager's certificate of this root.
        case cluster(ClusterTrust)
    }

    let address: ManagerAddress
    /// The node's own certificate and key, PEM.
    let certificate: String
    let key: String
    let trust: Trust
    let now: @Sendable () -> Timestamp

    /// Whole assignments of large clusters are the largest messages.
    static let largestMessage = 256 << 20

    static var options: CallOptions {
        var options = CallOptions.defaults
        options.waitForReady = false
        // The transport measures what comes in by the first of the two.
        options.maxRequestMessageBytes = largestMessage
        options.maxResponseMessageBytes = largestMessage
        return options
    }

    func withClient<Value: Sendable>(_ body: @Sendable (Client) async throws -> Value) async throws -> Value {
        let transport = try HTTP2ClientTransport.Posix(
            target: target, transportSecurity: .tls(security),
            config: .defaults { config in
                // Session and questions share it, and each ends by itself.
                config.connection.maxIdleTime = nil
                config.backoff.initial = .milliseconds(200)
                config.backoff.max = .seconds(2)
            })
        return try await withGRPCClient(transport: transport) { try await body($0) }
    }

    private var target: any ResolvableTarget {
        switch IPAddress(address.host) {
        case .v4: .ipv4(address: address.host, port: Int(address.port))
        case .v6: .ipv6(address: address.host, port: Int(address.port))
        case nil: .dns(host: address.host, port: Int(address.port))
        }
    }

    private var security: HTTP2ClientTransport.Posix.TransportSecurity.TLS {
        .mTLS(
            certificateChain: [.bytes(Array(certificate.utf8), format: .pem)],
            privateKey: .bytes(Array(key.utf8), format: .pem)
        ) { [trust, now] config in
            // Addresses change and certificates do not name them: the certificate's role counts (see `judge`).
            config.serverCertificateVerification = .noHostnameVerification
            config.customVerificationCallback = { certificates, promise in
                promise.succeed(
                    Self.judge(certificates, trust, now()) ? .certificateVerified(VerificationMetadata(nil)) : .failed)
            }
        }
    }

    private static func judge(_ certificates: [NIOSSLCertificate], _ trust: Trust, _ now: Timestamp) -> Bool {
        guard case .cluster(let trust) = trust else { return true }
        do {
            let shown = try certificates.prefix(3).map { try Certificate(derEncoded: try $0.toDERBytes()) }
            guard let leaf = shown.first else { return false }
            let member = try trust.member(leaf, links: Array(shown.dropFirst()), at: now)
            return member.role == .manager
        } catch {
            return false
        }
    }
}
