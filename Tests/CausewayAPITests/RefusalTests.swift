import CausewayModel
import Foundation
import Testing

/// One bad request, and how it is refused.
struct Refusal: Sendable, CustomTestStringConvertible {
    var method = "POST"
    var target: String
    var body: String?
    var status: Int
    var says: String

    var testDescription: String { "\(method) \(target) \(body ?? "")" }

    init(_ method: String, _ target: String, body: String? = nil, _ status: Int, _ says: String) {
        (self.method, self.target, self.body, self.status, self.says) = (method, target, body, status, says)
    }

    /// A service whose task template has one more field.
    static func template(_ field: String, _ status: Int, _ says: String) -> Refusal {
        Refusal(
            "POST", "/services/create", body: #"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"i"},\#(field)}}"#,
            status, says)
    }

    static func container(_ field: String, _ status: Int, _ says: String) -> Refusal {
        Refusal(
            "POST", "/services/create", body: #"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"i",\#(field)}}}"#,
            status, says)
    }

    static func service(_ field: String, _ status: Int, _ says: String) -> Refusal {
        Refusal(
            "POST", "/services/create", body: #"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"i"}},\#(field)}"#,
            status, says)
    }

    static func network(_ fields: String, _ status: Int, _ says: String) -> Refusal {
        Refusal("POST", "/networks/create", body: #"{"Name":"n","Driver":"overlay",\#(fields)}"#, status, says)
    }
}

@Suite(.serialized) struct RefusalTests {
    static let unsupported: [Refusal] = [
        .container(
            #""configs":[{"ConfigID":"s","Runtime":{}}]"#, 501, "ContainerSpec.Configs[0].Runtime (--credential-spec"),
        .container(#""Privileges":{"CredentialSpec":{"File":"x"}}"#, 501, "Privileges.CredentialSpec"),
        .container(
            #""Mounts":[{"Type":"volume","Target":"/x","VolumeOptions":{"Subpath":"y"}}]"#, 501,
            "ContainerSpec.Mounts[0].VolumeOptions.Subpath"),
        .template(#""Resources":{"Limits":{"GenericResources":[{"x":1}]}}"#, 501, "Resources.Limits.GenericResources"),
        .template(#""Runtime":"plugin""#, 501, "TaskTemplate.Runtime"),
        .network(#""Options":{"encrypted":""}"#, 501, "--opt encrypted"),
        .network(#""Options":{"com.docker.network.driver.mtu":"1400"}"#, 501, "mtu"),
        .network(#""ConfigOnly":true"#, 501, "--config-only"),
        .network(#""ConfigFrom":{"Network":"x"}"#, 501, "--config-from"),
        .network(#""IPAM":{"Driver":"dhcp"}"#, 501, "IPAM.Driver (--ipam-driver)"),
        .network(#""EnableIPv4":false"#, 501, "--ipv4=false"),
        Refusal("POST", "/swarm/join", body: "{}", 503, "already part of a swarm"),
        Refusal(
            "POST", "/swarm/update?version=3", body: #"{"CAConfig":{"ExternalCAs":[{"URL":"x"}]}}"#, 501,
            "--external-ca"),
        Refusal(
            "POST", "/secrets/create", body: #"{"Name":"s","Data":"eA==","Driver":{"Name":"vault"}}"#, 501,
            "Driver (--driver) is not supported"),
    ]

    static let bad: [Refusal] = [
        Refusal("GET", "/v1.99/services", 400, "client version 1.99 is too new. Maximum supported API version is 1.50"),
        Refusal("GET", "/v1.12/containers/json", 400, "client version 1.12 is too old"),
        Refusal("GET", "/services/nope", 404, "service nope not found"),
        Refusal("GET", "/tasks/nope", 404, "task nope not found"),
        Refusal("GET", "/nodes/nope", 404, "node nope not found"),
        Refusal("GET", "/secrets/nope", 404, "secret nope not found"),
        Refusal("DELETE", "/configs/nope", 404, "config nope not found"),
        Refusal("POST", "/configs/nope/update?version=1", body: "{}", 404, "config nope not found"),
        Refusal("POST", "/secrets/create", body: #"{"Name":"s","Data":"not base64"}"#, 400, "Data"),
        Refusal("GET", "/secrets?filters=%7B%22driver%22%3A%5B%22x%22%5D%7D", 400, "Invalid filter 'driver'"),
        Refusal("GET", "/swarm/bogus", 404, "page not found"),
        Refusal("PUT", "/services/create", 404, "page not found"),
        Refusal("POST", "/services/create", body: "{bad", 400, "invalid JSON"),
        Refusal("POST", "/services/create", body: "[]", 400, "must be a JSON object"),
        Refusal("POST", "/services/create", body: "", 400, "the body is empty"),
        Refusal(
            "POST", "/services/create", body: #"{"Name":5,"TaskTemplate":{"ContainerSpec":{"Image":"i"}}}"#, 400,
            "wrong type of Name"),
        Refusal("POST", "/services/create", body: #"{"Name":"x"}"#, 400, "mismatched Runtime and *Spec fields"),
        Refusal(
            "POST", "/services/create", body: #"{"Name":"x","TaskTemplate":{"ContainerSpec":{}}}"#, 400,
            "ContainerSpec: image reference must be provided"),
        .service(#""EndpointSpec":{"Ports":[{"TargetPort":70000}]}"#, 400, "EndpointSpec.Ports[0].TargetPort"),
        .container(
            #""Privileges":{"Seccomp":{"Mode":"custom","Profile":"not base64"}}"#, 400, "Seccomp.Profile"),
        .service(#""EndpointSpec":{"Mode":"bogus"}"#, 400, #"invalid resolution mode: "bogus""#),
        Refusal("GET", "/services?filters=%7B%22bogus%22%3A%5B%22x%22%5D%7D", 400, "Invalid filter 'bogus'"),
        Refusal("GET", "/services?status=maybe", 400, "invalid value for status: maybe"),
        Refusal(
            "POST", "/swarm/update?version=1&rotateWorkerToken=on", body: "{}", 400,
            "invalid value for rotateWorkerToken: on"),
        Refusal("GET", "/services?filters=%7Bbad", 400, "invalid filters '{bad'"),
        Refusal(
            "GET", "/tasks?filters=%7B%22desired-state%22%3A%5B%22x%22%5D%7D", 400, "Invalid desired-state filter: 'x'"),
        Refusal("POST", "/swarm/update", body: "{}", 400, "invalid swarm version ''"),
        Refusal(
            "POST", "/swarm/update?version=2", body: "{}", 500,
            "rpc error: code = Unknown desc = update out of sequence"),
        Refusal("POST", "/nodes/self/update?version=3", body: #"{"Availability":"gone"}"#, 400, "Availability"),
        Refusal("DELETE", "/nodes/self", 400, "is not down and can't be removed"),
        Refusal(
            "POST", "/networks/create", body: #"{"Name":"bridge","Driver":"overlay"}"#, 409,
            "network with name bridge already exists"),
        .network(#""Options":{"causeway.datapath":"fast"}"#, 400, "use direct or classic"),
        .network(#""CheckDuplicate":"yes""#, 400, "wrong type of CheckDuplicate"),
        Refusal("POST", "/networks/create", body: #"{"Name":" ","Driver":"overlay"}"#, 400, "invalid network name"),
        Refusal("POST", "/swarm/init", body: "{}", 503, "already part of a swarm"),
        Refusal("GET", "/services/svc/logs", 404, "service svc not found"),
        Refusal("GET", "/events?since=never", 400, "invalid since 'never'"),
    ]

    @Test(arguments: unsupported + bad) func `is refused with a status and a sentence`(_ bad: Refusal) async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let reply = try await house.call(bad.method, bad.target, bad.body)

            #expect(reply.status == bad.status, "\(reply.message)")
            #expect(reply.message.contains(bad.says), "\(reply.message)")
            #expect(reply.header("Content-Type") == "application/json")
            #expect(await house.control.serviceList.isEmpty)
            #expect(await house.control.networkList.isEmpty)
            #expect(await house.control.dependencyList.isEmpty)
        }
    }

    @Test(arguments: ["/services", "/tasks", "/nodes", "/swarm", "/secrets", "/configs", "/swarm/unlockkey"])
    func `outside a swarm every swarm call says how to get into one`(_ path: String) async throws {
        try await House.with(active: false, script: OwnRoutesTests.engine) { house in
            let reply = try await house.call("GET", path)

            #expect(reply.status == 503)
            #expect(reply.message.hasPrefix("This node is not a swarm manager. Use \"docker swarm init\""))
        }
    }

    @Test func `a name in use, a stale version and an ambiguous beginning are refused in Docker's words`() async throws
    {
        try await House.with(script: OwnRoutesTests.engine) { house in
            _ = try await house.call("POST", "/services/create", Bodies.cliService)
            _ = try await house.call("POST", "/services/create", Bodies.dockerPyService)

            let twice = try await house.call("POST", "/services/create", Bodies.cliService)
            #expect(twice.status == 409)
            #expect(twice.message.hasSuffix("service web already exists"))
            let stale = try await house.call("POST", "/services/web/update?version=1", Bodies.cliService)
            #expect(stale.status == 500)
            #expect(stale.message.hasSuffix("update out of sequence"))
            let ambiguous = try await house.call("GET", "/services/svc")
            #expect(ambiguous.status == 400)
            #expect(ambiguous.message == "service svc is ambiguous (2 matches found)")
            let first = try await house.call("POST", "/services/py/update?version=12&rollback=previous", "{}")
            #expect(first.status == 400)
            #expect(first.message.hasSuffix("does not have a previous spec"))
        }
    }

    @Test func `a body above the limit is refused, whether it says its length or not`() async throws {
        try await House.with(bodyLimit: 1000, script: OwnRoutesTests.engine) { house in
            let large = #"{"Name":"\#(String(repeating: "x", count: 5000))"}"#
            let reply = try await house.call("POST", "/services/create", large)
            #expect(reply.status == 413)
            #expect(reply.message == "request body too large: the limit is 1000 bytes")

            let chunked = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(
                    "POST /services/create HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in 0..<20 { try client.send("64\r\n\(String(repeating: "x", count: 100))\r\n") }
                try client.send("0\r\n\r\n")
                return try Reply(client.receiveToEnd())
            }
            #expect(chunked.status == 413)
        }
    }

    @Test func `a body of another type is refused`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let reply = try await house.call("POST", "/services/create", Bodies.cliService, type: "text/plain")
            #expect(reply.status == 400)
            #expect(reply.message.hasPrefix("unsupported Content-Type header (text/plain)"))
        }
    }

    @Test(arguments: [
        ("GARBAGE\r\n\r\n", 400), ("GET /_ping HTTP/2.0\r\n\r\n", 505), ("GET x HTTP/1.1\r\n\r\n", 400),
        ("POST /services/create HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST /services/create HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ("POST /services/create HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("GET /_ping HTTP/1.1\r\nA: 1\r\n folded\r\n\r\n", 400), ("GET /_ping HTTP/1.1\r\nBad Name: 1\r\n\r\n", 400),
    ]) func `what is not clean HTTP is refused`(_ bytes: String, _ status: Int) async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let reply = try await blocking {
                let client = try RawSocket.connect(house.socket)
                try client.send(bytes)
                return try Reply(client.receiveToEnd())
            }
            #expect(reply.status == status)
        }
    }

    @Test func `init takes the CLI's body with its zeros as defaults`() async throws {
        try await House.with(active: false, script: OwnRoutesTests.engine) { house in
            let reply = try await house.call("POST", "/v1.50/swarm/init", Bodies.cliInit)

            #expect(reply.status == 200, "\(reply.message)")
            #expect(reply.body == "\"\(FakeControl.nodeID)\"")
            let wanted = try #require(await house.control.initializations.first)
            #expect(wanted.spec == Swarm.ClusterSpec())
            #expect(wanted.advertiseAddress == "10.0.0.1")
            #expect(wanted.listenAddress == "0.0.0.0:2377")
            #expect(wanted.subnetSize == 24)
        }
    }
}
