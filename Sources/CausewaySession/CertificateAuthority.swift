import CausewayModel
import Crypto
import Foundation
import SwiftASN1
import X509

/// The cluster's root of trust: a certificate that signs nodes' certificates, and its key.
package struct CertificateAuthority: Sendable {
    /// Why a certificate authority could not be made or read.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// PEM.
    package let certificate: String
    /// PEM (SEC 1 or PKCS #8, as Crypto writes it).
    ///
    /// Never leaves the store.
    package let key: String

    /// Makes a new root as swarmkit does: ECDSA P-256, twenty years, CN `swarm-ca`, valid from an hour ago.
    package init(at now: Timestamp, using generator: inout some RandomNumberGenerator) throws(Failure) {
        do {
            let key = try Self.key(using: &generator)
            let name = try DistinguishedName { CommonName("swarm-ca") }
            let start = Date(timeIntervalSince1970: Double(now.seconds - 3600))
            let certificate = try Certificate(
                version: .v3,
                serialNumber: Self.serialNumber(using: &generator),
                publicKey: Certificate.PublicKey(key.publicKey),
                notValidBefore: start,
                notValidAfter: start.addingTimeInterval(20 * 365 * 86_400),
                issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 1))
                    Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                    SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
                },
                issuerPrivateKey: Certificate.PrivateKey(key))
            self.certificate = try certificate.serializeAsPEM().pemString + "\n"
            self.key = key.pemRepresentation + "\n"
        } catch {
            throw Failure(description: "cannot make the cluster's certificate authority: \(error)")
        }
    }

    /// What the cluster's store keeps, both PEM.
    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }

    /// Positive, and of no more than the 20 bytes of RFC 5280, 4.1.2.2.
    static func serialNumber(using generator: inout some RandomNumberGenerator) -> Certificate.SerialNumber {
        Certificate.SerialNumber(bytes: (0..<19).map { _ in UInt8.random(in: 1...127, using: &generator) })
    }

    private static func key(using generator: inout some RandomNumberGenerator) throws -> P256.Signing.PrivateKey {
        for _ in 0..<8 {
            let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            // Numbers outside the curve's order are refused: 1 in 2^32.
            if let key = try? P256.Signing.PrivateKey(rawRepresentation: bytes) { return key }
        }
        throw Failure(description: "the random source gave no valid P-256 key in eight attempts")
    }
}

/// `TLSInfo` of `GET /swarm` and `GET /nodes`.
package struct TLSInfo: Hashable, Sendable {
    /// The root certificate, PEM.
    package let trustRoot: String
    /// The root's subject, DER in Base64.
    package let certIssuerSubject: String
    /// The root's public key, DER in Base64.
    package let certIssuerPublicKey: String

    /// Reads what the API shows from a root certificate's PEM.
    package init(trustRoot: String) throws(CertificateAuthority.Failure) {
        do {
            let certificate = try Certificate(pemEncoded: trustRoot)
            var subject = DER.Serializer()
            try certificate.subject.serialize(into: &subject)
            var key = DER.Serializer()
            try certificate.publicKey.serialize(into: &key)
            self.trustRoot = trustRoot
            certIssuerSubject = Data(subject.serializedBytes).base64EncodedString()
            certIssuerPublicKey = Data(key.serializedBytes).base64EncodedString()
        } catch {
            throw CertificateAuthority.Failure(description: "cannot read the cluster's root certificate: \(error)")
        }
    }
}
