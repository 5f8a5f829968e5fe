extension Swarm {
    /// A cluster's root certificate on its way out: until every node has a certificate of the new one.
    package struct RootRotation: Hashable, Codable, Sendable {
        /// The root that is being replaced, PEM: certificates that it signed are still taken.
        package var formerCertificate: String
        /// The new root's key, signed by the former root, PEM: by it a manager is believed by who trusts only that one.
        package var crossSigned: String

        package init(formerCertificate: String, crossSigned: String) {
            self.formerCertificate = formerCertificate
            self.crossSigned = crossSigned
        }
    }

    /// What a cluster trusts.
    package struct Roots: Hashable, Sendable {
        /// The root certificate that signs, PEM.
        package var certificate: String
        /// The one before it, while there are nodes that know no other.
        package var rotation: RootRotation?

        package init(certificate: String, rotation: RootRotation? = nil) {
            self.certificate = certificate
            self.rotation = rotation
        }
    }
}
