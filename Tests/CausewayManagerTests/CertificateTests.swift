import CausewayModel
import CausewaySession
import CausewayTestKit
import Foundation
import Testing

@Suite struct `A cluster's certificate authority` {
    private let noon = Timestamp(seconds: 1_800_000_000)

    @Test func `signs itself, for twenty years, as swarm-ca`() throws {
        var generator = SeededGenerator(seed: 1)
        let authority = try CertificateAuthority(at: noon, using: &generator)

        let info = try TLSInfo(trustRoot: authority.certificate)

        #expect(authority.certificate.hasPrefix("-----BEGIN CERTIFICATE-----\n"))
        #expect(authority.certificate.hasSuffix("-----END CERTIFICATE-----\n"))
        #expect(authority.key.contains("PRIVATE KEY"))
        // SEQUENCE { SET { SEQUENCE { OID 2.5.4.3, UTF8String "swarm-ca" } } }: what Docker answers, byte for byte.
        #expect(
            info.certIssuerSubject == "MBMxETAPBgNVBAMMCHN3YXJtLWNh"
                || info.certIssuerSubject == "MBMxETAPBgNVBAMTCHN3YXJtLWNh")
        #expect(info.certIssuerPublicKey.hasPrefix("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"))
    }

    @Test func `has a key that its generator decides`() throws {
        var one = SeededGenerator(seed: 7)
        var same = SeededGenerator(seed: 7)
        var other = SeededGenerator(seed: 8)

        let keys = [
            try CertificateAuthority(at: noon, using: &one).key, try CertificateAuthority(at: noon, using: &same).key,
            try CertificateAuthority(at: noon, using: &other).key,
        ]

        #expect(keys[0] == keys[1])
        #expect(keys[0] != keys[2])
    }

    @Test func `refuses a root that is none`() {
        #expect(throws: CertificateAuthority.Failure.self) { _ = try TLSInfo(trustRoot: "no certificate") }
    }
}

@Suite struct `A join token` {
    @Test func `has swarmkit's form and pins its root`() throws {
        var generator = SeededGenerator(seed: 3)
        let token = JoinToken(certificate: "a root", using: &generator)

        let parts = "\(token)".split(separator: "-")

        #expect(parts.map(\.count) == [6, 1, 50, 25])
        #expect(JoinToken("\(token)") == token)
        #expect(token.pins(certificate: "a root"))
        #expect(!token.pins(certificate: "another root"))
    }

    @Test func `keeps the digest and changes the secret when it is rotated`() {
        var generator = SeededGenerator(seed: 4)
        let first = JoinToken(certificate: "a root", using: &generator)
        let second = JoinToken(certificate: "a root", using: &generator)

        #expect(first.digest == second.digest)
        #expect(first.secret != second.secret)
    }

    @Test(arguments: [
        "", "SWMTKN-2-a-b", "SWMTKN-1-short-secret",
        "SWMTKN-1-" + String(repeating: "A", count: 50) + "-" + String(repeating: "a", count: 25),
    ])
    func `is not read from other text`(text: String) {
        #expect(JoinToken(text) == nil)
    }

    @Test func `writes a number in base 36 with its zeros`() {
        // SHA-256 of nothing, computed with another implementation of base 36.
        var generator = SeededGenerator(seed: 5)
        let token = JoinToken(certificate: "", using: &generator)

        #expect(token.digest == "5oaq0bjhj6un82wg98mgigso5q7qlhc63je4gw7ivixqqhkd3p")
    }
}
