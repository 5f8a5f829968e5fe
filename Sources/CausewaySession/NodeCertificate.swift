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
    /// The root certificate that vouches for it, PEM; empty until it was verified.
    package var root = ""

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
