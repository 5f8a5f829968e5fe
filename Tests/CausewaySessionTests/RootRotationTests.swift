import CausewayModel
import Foundation
import SwiftASN1
import Testing
import X509

@testable import CausewaySession

struct RootRotationTests {
    private let start = Timestamp(seconds: 1_800_000_000, nanoseconds: 0)

    // MARK: what is trusted

    @Test func `a new root's certificate is taken with the link that the former root has signed, and not without`()
        throws
    {
        let former = try Root(at: start)
        let new = try Root(at: start)
        let stranger = try Root(at: start)
        let leaf = try new.leaf(at: start)
        let trust = try ClusterTrust(root: former.pem)

        #expect(try trust.member(leaf, links: [try former.link(new, at: start)], at: start).root == former.pem)
        for links in [[], [try stranger.link(new, at: start)], [try former.link(stranger, at: start)]] {
            let refusal = #expect(throws: CertificateRefusal.self) {
                try trust.member(leaf, links: links, at: start)
            }
            #expect(refusal?.reason == .stranger)
        }
        let late = start.advanced(by: .seconds(21 * 365 * 86_400))
        #expect(throws: CertificateRefusal.self) {
            try trust.member(leaf, links: [try former.link(new, at: start)], at: late)
        }
    }

    @Test func `a node's own certificate is no link: a node signs for nobody`() throws {
        let root = try Root(at: start)
        let (certificate, key) = try root.member(at: start)
        let forged = try Root(certificate: certificate, key: key).leaf(at: start)

        let refusal = #expect(throws: CertificateRefusal.self) {
            try ClusterTrust(root: root.pem).member(
                forged, links: [try Certificate(pemEncoded: certificate)], at: start)
        }
        #expect(refusal?.reason == .stranger)
    }

    @Test func `while a root is being replaced both are trusted, and it is said which one vouches`() throws {
        let former = try Root(at: start)
        let new = try Root(at: start)
        let trust = try ClusterTrust(root: new.pem, former: former.pem)

        #expect(try trust.member(try former.leaf(at: start), at: start).root == former.pem)
        #expect(try trust.member(try new.leaf(at: start), at: start).root == new.pem)
        #expect(throws: CertificateRefusal.self) {
            try trust.member(try Root(at: start).leaf(at: start), at: start)
        }
    }

    // MARK: sessions

    @Test func `nodes that are here get certificates of the new root, one that was away gets its own when it comes`()
        async throws
    {
        let bed = try Bed()
        let away = "worker00000000000000000002"
        try await bed.serving(bed.server()) { port in
            let first = try await bed.join(port: port)
            try await bed.join(away, port: port)
            let remote = try bed.remote()
            let root = try await bed.running(remote) {
                try await awaited("connected") { await remote.isConnected }
                let root = try await bed.dispatch.rotate(at: bed.clock.now)
                try await awaited("a certificate of the new root") {
                    await bed.dispatch.certified[Bed.worker] == root
                }
                let now = try bed.credentials()
                #expect(now.root == root && now.certificate != first.certificate && now.key != first.key)
                let heartbeats = await bed.dispatch.heartbeats
                try await awaited("it goes on") { await bed.dispatch.heartbeats > heartbeats + 2 }
                return root
            }
            // It knows the former root alone, and meets a manager whose certificate is of the new one.
            let late = try bed.remote(away)
            try await bed.running(late) {
                try await awaited("the one that was away has one too") {
                    await bed.dispatch.certified[away] == root
                }
            }
            #expect(try bed.credentials(of: away).root == root)
        }
    }

    @Test func `once it is over, a certificate of the former root is a stranger's`() async throws {
        let bed = try Bed()
        try await bed.serving(bed.server()) { port in
            try await bed.join(port: port)
            let root = try await bed.dispatch.rotate(at: bed.clock.now)
            await bed.dispatch.endRotation()
            try await awaited("the manager shows the new root") {
                bed.log.all.contains { $0.contains("newest root") }
            }
            let remote = try bed.remote()
            try await bed.running(remote) {
                // A manager that cannot be trusted is away: whose fault that is, a node cannot know.
                try await awaited("no session") { await remote.isLost }
            }
            #expect(await bed.dispatch.certified[Bed.worker] != root)
        }
    }
}

/// An authority that a test signs with.
private struct Root {
    let authority: CertificateAuthority

    var pem: String { authority.certificate }

    init(at now: Timestamp) throws {
        var generator = SystemRandomNumberGenerator()
        authority = try CertificateAuthority(at: now, using: &generator)
    }

    init(certificate: String, key: String) { authority = CertificateAuthority(certificate: certificate, key: key) }

    func link(_ other: Root, at now: Timestamp) throws -> Certificate {
        var generator = SystemRandomNumberGenerator()
        return try Certificate(pemEncoded: try authority.crossSign(other.pem, at: now, using: &generator))
    }

    func leaf(at now: Timestamp) throws -> Certificate { try Certificate(pemEncoded: try member(at: now).certificate) }

    func member(at now: Timestamp) throws -> (certificate: String, key: String) {
        var generator = SystemRandomNumberGenerator()
        let key = try NodeKey(at: now)
        let admission = Admission(
            nodeID: "node1", role: .manager, clusterID: "cluster1", caCertificate: pem, caKey: authority.key,
            validity: .seconds(30 * 365 * 86_400))
        return (try authority.issue(key.signingRequest, for: admission, at: now, using: &generator), key.pem)
    }
}
