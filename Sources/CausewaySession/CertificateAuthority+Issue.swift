import CausewayModel
import Crypto
import Foundation
import SwiftASN1
import X509

extension CertificateAuthority {
    /// How far back a certificate begins, because hosts' clocks differ; swarmkit's hour.
    static let backdating: Int64 = 3600

    /// Signs a node's certificate: the key is the request's, everything else is the admission's.
    ///
    /// Refuses a request that its own key has not signed, and any key but one on P-256.
    package func issue(
        _ signingRequest: String, for admission: Admission, at now: Timestamp,
        using generator: inout some RandomNumberGenerator
    ) throws(Failure) -> String {
        do {
            let root = try Certificate(pemEncoded: certificate)
            let request = try Self.read(signingRequest)
            let signed = try Certificate(
                version: .v3,
                serialNumber: Self.serialNumber(using: &generator),
                publicKey: request.publicKey,
                notValidBefore: now.advanced(by: .seconds(-Self.backdating)).date,
                notValidAfter: now.advanced(by: admission.validity).date,
                issuer: root.subject,
                subject: try Self.subject(of: admission), signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Self.extensions(of: admission, key: request.publicKey, under: root),
                issuerPrivateKey: try Certificate.PrivateKey(pemEncoded: key))
            return try signed.serializeAsPEM().pemString + "\n"
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(description: "cannot sign a certificate for node \(admission.nodeID): \(error)")
        }
    }

    /// Signs another root's key, so that who trusts this root alone believes what the other one signs: PEM.
    package func crossSign(
        _ other: String, at now: Timestamp, using generator: inout some RandomNumberGenerator
    ) throws(Failure) -> String {
        do {
            let root = try Certificate(pemEncoded: certificate)
            let other = try Certificate(pemEncoded: other)
            let authority = try root.extensions.subjectKeyIdentifier?.keyIdentifier
            let signed = try Certificate(
                version: .v3, serialNumber: Self.serialNumber(using: &generator), publicKey: other.publicKey,
                notValidBefore: now.advanced(by: .seconds(-Self.backdating)).date,
                notValidAfter: min(root.notValidAfter, other.notValidAfter), issuer: root.subject,
                subject: other.subject, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: other.publicKey)
                    AuthorityKeyIdentifier(keyIdentifier: authority)
                },
                issuerPrivateKey: try Certificate.PrivateKey(pemEncoded: key))
            return try signed.serializeAsPEM().pemString + "\n"
        } catch {
            throw Failure(description: "cannot sign the new root's key with the former root: \(error)")
        }
    }

    /// Reads a request, and refuses one that its own key has not signed, and any key but one on P-256.
    static func read(_ signingRequest: String) throws(Failure) -> CertificateSigningRequest {
        do {
            let request = try CertificateSigningRequest(pemEncoded: signingRequest)
            guard request.publicKey.isValidSignature(request.signature, for: request),
                P256.Signing.PublicKey(request.publicKey) != nil
            else { throw Failure(description: "the signing request is not signed by a P-256 key of its own") }
            return request
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(description: "the signing request cannot be read: \(error)")
        }
    }

    private static func subject(of admission: Admission) throws -> DistinguishedName {
        try DistinguishedName {
            OrganizationName(admission.clusterID)
            OrganizationalUnitName(admission.role.organizationalUnit)
            CommonName(admission.nodeID)
        }
    }

    private static func extensions(
        of admission: Admission, key: Certificate.PublicKey, under root: Certificate
    ) throws -> Certificate.Extensions {
        var names = [admission.role.organizationalUnit, admission.nodeID]
        if admission.role == .manager { names.append("swarm-ca") }
        let authority = try root.extensions.subjectKeyIdentifier?.keyIdentifier
        return try Certificate.Extensions {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
            try ExtendedKeyUsage([.serverAuth, .clientAuth])
            SubjectKeyIdentifier(hash: key)
            AuthorityKeyIdentifier(keyIdentifier: authority)
            SubjectAlternativeNames(names.map { .dnsName($0) })
        }
    }
}

/// A node's private key, made on the node, and the request for a certificate of it.
package struct NodeKey: Sendable {
    /// PEM.
    ///
    /// Leaves the node's memory for its own state folder only.
    package let pem: String
    /// PKCS #10, PEM.
    package let signingRequest: String
    /// Signed by the key itself, PEM: what the node shows before it has a certificate of the cluster.
    let ownCertificate: String

    package init(at now: Timestamp) throws(CertificateAuthority.Failure) {
        do {
            let secret = P256.Signing.PrivateKey()
            let key = Certificate.PrivateKey(secret)
            let name = try DistinguishedName { CommonName("swarm-node-without-certificate") }
            pem = secret.pemRepresentation + "\n"
            signingRequest = try CertificateSigningRequest(
                version: .v1, subject: name, privateKey: key, attributes: .init(),
                signatureAlgorithm: .ecdsaWithSHA256
            ).serializeAsPEM().pemString
            let start = now.advanced(by: .seconds(-CertificateAuthority.backdating)).date
            ownCertificate = try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
                notValidBefore: start, notValidAfter: start.addingTimeInterval(86_400), issuer: name, subject: name,
                signatureAlgorithm: .ecdsaWithSHA256, extensions: Certificate.Extensions(), issuerPrivateKey: key
            ).serializeAsPEM().pemString
        } catch {
            throw CertificateAuthority.Failure(description: "cannot make this node's key: \(error)")
        }
    }
}
