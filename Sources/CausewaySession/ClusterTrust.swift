import CausewayModel
import SwiftASN1
import X509

/// What a cluster's nodes trust: its root, and what that root signed itself.
///
/// Between the root and a node's certificate there is nothing, but while a root is being replaced: then the new root's
/// key, signed by the former one, for those who do not know the new one yet. Verifying is a look at one or two
/// signatures, the time and the use. The time is given: a test may choose it, and so may nobody else.
package struct ClusterTrust: Sendable {
    private struct Root: Sendable {
        let pem: String
        let certificate: Certificate

        init(_ pem: String) throws(CertificateAuthority.Failure) {
            self.pem = pem
            do {
                certificate = try Certificate(pemEncoded: pem)
            } catch {
                throw CertificateAuthority.Failure(
                    description: "cannot read the cluster's root certificate: \(error)")
            }
        }
    }

    /// PEM; the one that signs.
    package let root: String
    private let roots: [Root]

    /// `former` is the root that is being replaced, PEM: what it signed is taken too.
    package init(root: String, former: String? = nil) throws(CertificateAuthority.Failure) {
        self.root = root
        var roots = [try Root(root)]
        if let former { roots.append(try Root(former)) }
        self.roots = roots
    }

    /// Whose certificate it is; refuses one that no root signed, or not for now.
    ///
    /// `links` is what else the other end has shown: a root's key, perhaps, that a root of ours has signed.
    package func member(
        _ presented: Certificate, links: [Certificate] = [], at now: Timestamp
    ) throws(CertificateRefusal) -> NodeCertificate {
        guard let root = roots.first(where: { Self.vouches($0.certificate, for: presented, links, at: now) }) else {
            throw CertificateRefusal(.stranger, "it is not signed by this cluster's root certificate")
        }
        try Self.checkUse(presented)
        var member = try NodeCertificate(presented)
        member.root = root.pem
        guard member.notBefore <= now else {
            throw CertificateRefusal(.expired, "it is not valid before \(member.notBefore); compare the hosts' clocks")
        }
        guard now <= member.notAfter else {
            throw CertificateRefusal(.expired, "it has expired at \(member.notAfter)")
        }
        return member
    }

    private static func vouches(
        _ root: Certificate, for presented: Certificate, _ links: [Certificate], at now: Timestamp
    ) -> Bool {
        if signed(root, presented) { return true }
        // A handshake's worth of certificates is not looked through for ever.
        return links.prefix(2).contains { link in
            signed(root, link) && isAuthority(link) && Timestamp(link.notValidBefore) <= now
                && now <= Timestamp(link.notValidAfter) && signed(link, presented)
        }
    }

    private static func signed(_ issuer: Certificate, _ certificate: Certificate) -> Bool {
        certificate.issuer == issuer.subject
            && issuer.publicKey.isValidSignature(certificate.signature, for: certificate)
    }

    /// What cannot be read is none.
    private static func isAuthority(_ certificate: Certificate) -> Bool {
        guard case .isCertificateAuthority = try? certificate.extensions.basicConstraints,
            let usage = try? certificate.extensions.keyUsage
        else { return false }
        return usage.keyCertSign
    }

    private static func checkUse(_ presented: Certificate) throws(CertificateRefusal) {
        do {
            if case .isCertificateAuthority = try presented.extensions.basicConstraints {
                throw CertificateRefusal(.malformed, "it is an authority's certificate and not a node's")
            }
            let uses = try presented.extensions.extendedKeyUsage
            guard let uses, uses.contains(.serverAuth), uses.contains(.clientAuth) else {
                throw CertificateRefusal(.malformed, "it is not meant for both ends of a session")
            }
        } catch let refusal as CertificateRefusal {
            throw refusal
        } catch {
            throw CertificateRefusal(.malformed, "its extensions cannot be read: \(error)")
        }
    }
}
