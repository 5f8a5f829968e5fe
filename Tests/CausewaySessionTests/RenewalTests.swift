import CausewayModel
import Foundation
import SwiftASN1
import Testing
import X509

@testable import CausewaySession

struct RenewalTests {
    private let start = Timestamp(seconds: 1_800_000_000, nanoseconds: 0)

    @Test func `a certificate is renewed between half and four fifths of its life`() {
        let end = start.advanced(by: .seconds(1_000))
        func due(_ chance: Double) -> Int64 {
            RenewalSchedule(issuedAt: start, notAfter: end, chance: chance).due.since(start).rawValue / 1_000_000_000
        }

        #expect(due(0) == 500)
        #expect(due(1) == 800)
        #expect(due(0.5) == 650)
    }

    @Test func `one looks again within the hour, at once when it is due, and more often towards the end`() {
        let end = start.advanced(by: .seconds(90 * 86_400))
        let schedule = RenewalSchedule(issuedAt: start, notAfter: end, chance: 0)

        #expect(schedule.wait(at: start) == .seconds(3600))
        #expect(schedule.wait(at: start.advanced(by: .seconds(45 * 86_400 - 10))) == .seconds(10))
        #expect(schedule.wait(at: start.advanced(by: .seconds(45 * 86_400))) == nil)
        #expect(schedule.retry(at: end.advanced(by: .seconds(-200))) == .seconds(10))
        #expect(schedule.retry(at: end.advanced(by: .seconds(200))) == .seconds(1))
    }

    @Test func `a node's certificate is renewed in the session that it has, and the session outlives the old one`()
        async throws
    {
        let bed = try Bed()
        await bed.dispatch.set(validity: .seconds(7200))
        let server = bed.server()
        try await bed.serving(server) { port in
            let first = try await bed.join(port: port)
            let remote = try bed.remote()
            try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                // The wait that the node is in ends, as each wait of the bed does, and then it is time.
                bed.clock.advance(.seconds(5400))
                let second = try await awaited("a new certificate") {
                    let now = try bed.credentials()
                    return now.certificate != first.certificate ? now : nil
                }
                #expect(second.key != first.key)
                #expect(try second.identity().notAfter > (try first.identity().notAfter))

                bed.clock.advance(.seconds(3600))
                let heartbeats = await bed.dispatch.heartbeats
                try await awaited("it goes on") { await bed.dispatch.heartbeats > heartbeats + 2 }
                #expect(await bed.dispatch.hellos.count == 1)
            }
        }
    }

    @Test func `a manager renews its own certificate while it serves`() async throws {
        let bed = try Bed()
        await bed.dispatch.set(validity: .seconds(7200))
        var environment = bed.environment
        environment.chance = { 0 }
        let server = SessionServer(
            .init(address: .v4(.loopback), port: 0, nodeID: bed.dispatch.managerID, managers: { [] }),
            dispatch: bed.dispatch, environment: environment)
        try await bed.serving(server) { port in
            // Past the end of the first one: who joins then trusts the second.
            bed.clock.advance(.seconds(4000))
            try await awaited("renewed") { bed.log.all.contains { $0.contains("renewed this manager's certificate") } }
            bed.clock.advance(.seconds(3300))
            try await bed.join(port: port)
        }
    }

    // MARK: What is signed

    @Test func `a node's certificate says who it is in swarmkit's words`() throws {
        let issued = try issue(.manager)
        let member = try ClusterTrust(root: issued.root).member(issued.certificate, at: start)

        #expect(member.nodeID == "node1")
        #expect(member.role == .manager)
        #expect(member.clusterID == "cluster1")
        #expect(member.notAfter == start.advanced(by: .seconds(600)))
        let names = try #require(try issued.certificate.extensions.subjectAlternativeNames)
        #expect(names.map { "\($0)" }.sorted() == ["node1", "swarm-ca", "swarm-manager"].map { "DNSName(\"\($0)\")" })
    }

    @Test func `it holds from an hour before to its end, and not a second longer`() throws {
        let issued = try issue(.worker)
        let trust = try ClusterTrust(root: issued.root)

        for (second, isGood) in [(-3601, false), (-3600, true), (600, true), (601, false)] {
            let now = start.advanced(by: .seconds(Int64(second)))
            if isGood {
                _ = try trust.member(issued.certificate, at: now)
            } else {
                let refusal = #expect(throws: CertificateRefusal.self) { try trust.member(issued.certificate, at: now) }
                #expect(refusal?.reason == .expired)
            }
        }
    }

    @Test func `another root of the same name is a stranger, and the root itself is no node`() throws {
        let issued = try issue(.worker)
        let other = try issue(.worker)
        let trust = try ClusterTrust(root: issued.root)

        let stranger = #expect(throws: CertificateRefusal.self) { try trust.member(other.certificate, at: start) }
        #expect(stranger?.reason == .stranger)
        let root = #expect(throws: CertificateRefusal.self) {
            try trust.member(try Certificate(pemEncoded: issued.root), at: start)
        }
        #expect(root?.reason == .malformed)
    }

    @Test func `a request that its key has not signed is refused`() throws {
        let (authority, admission) = try authority(.worker)
        let request = try CertificateSigningRequest(pemEncoded: try NodeKey(at: start).signingRequest)
        let other = try CertificateSigningRequest(pemEncoded: try NodeKey(at: start).signingRequest)
        var generator = SystemRandomNumberGenerator()
        // The last bytes are the signature's: another's in its place.
        let mixed = try CertificateSigningRequest(
            version: .v1, subject: request.subject, publicKey: request.publicKey, attributes: request.attributes,
            signatureAlgorithm: request.signatureAlgorithm, signature: other.signature
        ).serializeAsPEM().pemString

        for text in [mixed, "", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"] {
            #expect(throws: CertificateAuthority.Failure.self) {
                try authority.issue(text, for: admission, at: start, using: &generator)
            }
        }
    }

    private func authority(_ role: Swarm.Node.Role) throws -> (CertificateAuthority, Admission) {
        var generator = SystemRandomNumberGenerator()
        let authority = try CertificateAuthority(at: start, using: &generator)
        let admission = Admission(
            nodeID: "node1", role: role, clusterID: "cluster1", caCertificate: authority.certificate,
            caKey: authority.key, validity: .seconds(600))
        return (authority, admission)
    }

    private func issue(_ role: Swarm.Node.Role) throws -> (root: String, certificate: Certificate) {
        let (authority, admission) = try authority(role)
        var generator = SystemRandomNumberGenerator()
        let pem = try authority.issue(
            try NodeKey(at: start).signingRequest, for: admission, at: start, using: &generator)
        return (authority.certificate, try Certificate(pemEncoded: pem))
    }
}
