import CausewayModel
import Foundation
import SwiftASN1
import X509

/// A certificate that this cluster's authority gave to a node: who it is, and until when.
package struct NodeCertificate: Hashable, Sendable {
    package var nodeID: Swarm.ID
    package var role: Swarm.Node.Role
    package var clusterID: Swarm.ID
    package var notBefore: Timestamp
    package var notAfter: Timestamp

    /// Reads the subject as swarmkit writes it: CN is the node, OU its role, O the cluster; nothing is verified.
    package init(_ certificate: Certificate) throws(CertificateRefusal) {
        var names: [ASN1ObjectIdentifier: String] = [:]
        for attribute in certificate.subject.joined() { names[attribute.type] = String(attribute.value) }
        guard let nodeID = names[.NameAttributes.commonName], let unit = names[.NameAttributes.organizationalUnitName],
            let clusterID = names[.NameAttributes.organizationName],
            let role = Swarm.Node.Role.allCases.first(where: { $0.organizationalUnit == unit })
        else {
            throw CertificateRefusal(.malformed, "its subject \"\(certificate.subject)\" is not one of a node")
        }
        self.nodeID = nodeID
        self.role = role
        self.clusterID = clusterID
        notBefore = Timestamp(certificate.notValidBefore)
        notAfter = Timestamp(certificate.notValidAfter)
    }
}

/// Why a certificate is not taken.
package struct CertificateRefusal: Error, Hashable, CustomStringConvertible {
    package enum Reason: Hashable, Sendable {
        /// Not signed by this cluster's root: a node that asks to join, or somebody else.
        case stranger
        /// Signed by the root, and outside its time.
        case expired
        case malformed
    }

    package let reason: Reason
    package let description: String

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}

/// What a cluster's nodes trust: its root, and what that root signed itself.
///
/// There is nothing between the root and a node's certificate, so a chain has no length and verifying one is a look at
/// the signature, the time and the use. The time is given: a test may choose it, and so may nobody else.
package struct ClusterTrust: Sendable {
    /// PEM.
    package let root: String
    private let certificate: Certificate

    package init(root: String) throws(CertificateAuthority.Failure) {
        do {
            certificate = try Certificate(pemEncoded: root)
            self.root = root
        } catch {
            throw CertificateAuthority.Failure(description: "cannot read the cluster's root certificate: \(error)")
        }
    }

    /// Whose certificate it is; refuses one that this root did not sign, or not for now.
    package func member(_ presented: Certificate, at now: Timestamp) throws(CertificateRefusal) -> NodeCertificate {
        guard presented.issuer == certificate.subject,
            certificate.publicKey.isValidSignature(presented.signature, for: presented)
        else {
            throw CertificateRefusal(.stranger, "it is not signed by this cluster's root certificate")
        }
        try Self.checkUse(presented)
        let member = try NodeCertificate(presented)
        guard member.notBefore <= now else {
            throw CertificateRefusal(.expired, "it is not valid before \(member.notBefore); compare the hosts' clocks")
        }
        guard now <= member.notAfter else {
            throw CertificateRefusal(.expired, "it has expired at \(member.notAfter)")
        }
        return member
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

extension Swarm.Node.Role {
    static let allCases: [Swarm.Node.Role] = [.worker, .manager]

    /// How a certificate's subject says it, in swarmkit's words.
    package var organizationalUnit: String { "swarm-\(rawValue)" }
}

extension Timestamp {
    /// Whole seconds: all that a certificate can say.
    init(_ date: Date) { self.init(seconds: Int64(date.timeIntervalSince1970.rounded(.down)), nanoseconds: 0) }

    var date: Date { Date(timeIntervalSince1970: Double(seconds)) }
}
