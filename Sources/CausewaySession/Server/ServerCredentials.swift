import CausewayModel
import NIOCertificateReloading
import NIOSSL
import Synchronization

/// The manager's own certificate and the root that it trusts; each new connection gets the newest.
final class ServerCredentials: CertificateReloader {
    struct Content: Sendable {
        var trust: ClusterTrust
        var roots: Swarm.Roots
        var clusterID: Swarm.ID
        var issuedAt: Timestamp
        var notAfter: Timestamp
        var chain: [NIOSSLCertificateSource]
        var key: NIOSSLPrivateKeySource
        /// PEM.
        var certificate: String
        var keyPEM: String
    }

    private let content: Mutex<Content>

    init(_ content: Content) { self.content = Mutex(content) }

    var current: Content { content.withLock { $0 } }

    func replace(_ new: Content) { content.withLock { $0 = new } }

    var sslContextConfigurationOverride: NIOSSLContextConfigurationOverride {
        let content = current
        var override = NIOSSLContextConfigurationOverride()
        override.certificateChain = content.chain
        override.privateKey = content.key
        return override
    }
}

extension ServerCredentials.Content {
    /// A new key and its certificate, from what the manager says of itself.
    init(of admission: Admission, at now: Timestamp) throws(SwarmError) {
        do {
            let key = try NodeKey(at: now)
            let authority = CertificateAuthority(certificate: admission.caCertificate, key: admission.caKey)
            var generator = SystemRandomNumberGenerator()
            certificate = try authority.issue(key.signingRequest, for: admission, at: now, using: &generator)
            keyPEM = key.pem
            roots = admission.roots
            trust = try ClusterTrust(root: roots.certificate, former: roots.rotation?.formerCertificate)
            clusterID = admission.clusterID
            issuedAt = now
            notAfter = now.advanced(by: admission.validity)
            let shown = certificate + (roots.rotation?.crossSigned ?? "")
            chain = try NIOSSLCertificate.fromPEMBytes(Array(shown.utf8)).map { .certificate($0) }
            self.key = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.pem.utf8), format: .pem))
        } catch {
            throw SwarmError(.internal, "cannot give this manager a certificate: \(error)")
        }
    }
}

extension Admission {
    var roots: Swarm.Roots { Swarm.Roots(certificate: caCertificate, rotation: rotation) }
}
