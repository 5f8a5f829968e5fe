import CausewayEngine
import CausewayModel
import NIOCore
import Testing

@testable import CausewayAPI

/// How targets, parameters and values are read.
@Suite struct ReadingTests {
    @Test(arguments: [
        ("/v1.50/containers/json?all=1", "/v1.41/containers/json?all=1"), ("/v1.30/info", "/v1.30/info"),
        ("/info", "/info"), ("/volumes/v1.50/x", "/volumes/v1.50/x"), ("/v1.50", "/v1.50"), ("/vx/y", "/vx/y"),
    ]) func `the version in a path is the lesser of the client's and the engine's`(_ given: String, _ sent: String) {
        #expect(RequestTarget(given).text(for: EngineVersion(1, 41)) == sent)
    }

    @Test func `captures hold one segment or many, decoded`() throws {
        let path = RequestTarget("/v1.50/distribution/localhost:5000/a/b:1/json?x=1").path
        #expect(PathPattern("/distribution/{image...}/json").match(path) == ["image": "localhost:5000/a/b:1"])
        #expect(PathPattern("/networks/{id}").match(RequestTarget("/networks/test%2001").path) == ["id": "test 01"])
        #expect(PathPattern("/networks/{id}").match(["networks"]) == nil)
        #expect(PathPattern("/networks/{id}").match(["networks", "a", "b"]) == nil)
    }

    @Test(arguments: [
        ("1", true), ("true", true), ("True", true), ("yes", true), ("2", true), ("", false), ("0", false),
        ("False", false), ("no", false), ("none", false),
    ]) func `flags are read as Docker reads them`(_ text: String, _ expected: Bool) {
        #expect(Query("x=1&force=\(text)"[...]).flag("force") == expected)
    }

    @Test(arguments: [
        ("1700000000", Timestamp(seconds: 1_700_000_000)),
        ("1700000000.5", Timestamp(seconds: 1_700_000_000, nanoseconds: 500_000_000)),
        ("1700000000.000000007", Timestamp(seconds: 1_700_000_000, nanoseconds: 7)),
        ("2023-11-14T22:13:20Z", Timestamp(seconds: 1_700_000_000)),
    ]) func `moments come as Unix seconds or as text`(_ text: String, _ expected: Timestamp) throws {
        #expect(try EventSelection.moment(text, "since") == expected)
    }

    @Test(arguments: [
        ("busybox", "busybox"), ("docker.io/library/busybox:1@sha256:x", "busybox"),
        ("localhost:5000/a/b:1", "localhost:5000/a/b"), ("localhost:5000/a", "localhost:5000/a"),
        ("docker.io/me/app:2", "me/app"),
    ]) func `a repository is what stands before tag and digest`(_ image: String, _ expected: String) {
        #expect(DistributionRoutes.repository(of: image) == expected)
    }

    @Test(arguments: [
        ("e30=", false), ("e30", false), ("bnVsbA==", false), ("", false),
        // {"serveraddress":"x"}, {"username":"u"}, and no base64 at all
        ("eyJzZXJ2ZXJhZGRyZXNzIjoieCJ9", false), ("eyJ1c2VybmFtZSI6InUifQ==", true), ("!!!!", true),
    ]) func `credentials are told from their absence`(_ header: String, _ expected: Bool) {
        #expect(RegistryAuth.holdsCredentials(header) == expected)
    }

    @Test func `links stand for their first usable address`() throws {
        let host = HostAddresses([
            "eth0": [IPAddress("fe80::1")!, IPAddress("2001:db8::1")!, IPAddress("192.0.2.7")!], "down": [],
        ])
        #expect(try host.resolve("eth0", as: .advertise) == "192.0.2.7")
        #expect(try host.resolve("eth0:2400", as: .listen) == "192.0.2.7:2400")
        #expect(try host.resolve("2001:db8::5", as: .listen) == "[2001:db8::5]:2377")
        #expect(try host.resolve("[2001:db8::5]:2400", as: .listen) == "[2001:db8::5]:2400")
        #expect(throws: APIError.self) { try host.resolve("eth9", as: .advertise) }
        #expect(throws: APIError.self) { try host.resolve("down", as: .advertise) }
        #expect(throws: APIError.self) { try host.resolve("eth0:0", as: .listen) }
    }

    @Test func `log frames come whole from bytes in pieces`() throws {
        let frames = [LogFrame(stream: 1, line: ByteBuffer(string: "a\n")), LogFrame(stream: 2, line: ByteBuffer())]
        let bytes = frames.flatMap { Array($0.bytes.readableBytesView) }
        var reader = LogFrameReader()
        var seen: [LogFrame] = []
        for byte in bytes {
            reader.add(ByteBuffer(bytes: [byte]))
            while let frame = try reader.next() { seen.append(frame) }
        }
        #expect(seen == frames)

        reader.add(ByteBuffer(bytes: [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]))
        #expect(throws: LogFrameReader.Malformed.self) { try reader.next() }
    }

    @Test func `only whole numbers within their limits pass`() throws {
        let schema: BodySchema = ["Port": .port, "Delay": .signed, "Labels": .value]
        func read(_ text: String) throws -> JSONValue { try schema.canonicalize(JSON.parse(ByteBuffer(string: text))) }

        #expect(try read(#"{"port":80,"Unknown":{"x":1},"delay":null}"#) == .object(["Port": .integer(80)]))
        #expect(
            try read(#"{"Labels":{"A":null,"a":"x"}}"#)["Labels"] == .object(["A": .string(""), "a": .string("x")]))
        for bad in [#"{"Port":65536}"#, #"{"Port":-1}"#, #"{"Port":1.5}"#, #"{"Port":"80"}"#] {
            let error = #expect(throws: APIError.self) { try read(bad) }
            #expect(error?.message == "invalid value of Port: it must be a whole number from 0 to 65535")
        }
    }

    @Test func `the fields of a certificate are found in its bytes`() throws {
        let fields = try #require(CertificateFields(pem: Self.certificate))
        #expect(fields.subject.count > 10 && fields.subject[0] == 0x30)
        #expect(String(decoding: fields.subject, as: UTF8.self).contains("swarm-ca"))
        // SubjectPublicKeyInfo of a P-256 key is 91 bytes long.
        #expect(fields.publicKey.count == 91)
        #expect(CertificateFields(pem: "nonsense") == nil)
    }

    /// Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=swarm-ca`.
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBfTCCASOgAwIBAgIUQmlwT68DOIvXf0m/WoTnXFGBNuQwCgYIKoZIzj0EAwIw
        EzERMA8GA1UEAwwIc3dhcm0tY2EwIBcNMjYxMTIzMDU1MjMwWhgPMjEyNjEwMzAw
        NTUyMzBaMBMxETAPBgNVBAMMCHN3YXJtLWNhMFkwEwYHKoZIzj0CAQYIKoZIzj0D
        AQcDQgAEog5djtNWhcAap9ZsJnN3j9kjK6Py+OfJjKFgOKfOwuCPKZR7n7FJcp8x
        aw3zFQ2XQMqKPn7+SK5BTw5YzMpY/6NTMFEwHQYDVR0OBBYEFMm5MSld4aRZ758D
        9FRGRPUgI3dYMB8GA1UdIwQYMBaAFMm5MSld4aRZ758D9FRGRPUgI3dYMA8GA1Ud
        EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAML44chNx7jXGZwEfsoH9S/P
        AAEqaCrNYqZLC/vYDmDXAiAKRAzpDZP7O8YIbLW931SeqAMcONqqiI5Tg08DLGP8
        XQ==
        -----END CERTIFICATE-----
        """
}
