import CausewayModel
import Foundation
import NIOCore
import Testing

@testable import CausewayAPI

/// Bodies of `POST /containers/create`, as command lines sent them, and what the engine is asked for instead.
@Suite struct CreationBodyTests {
    static func fixture(_ name: String) throws -> ByteBuffer {
        let file = try #require(
            Bundle.module.url(forResource: "create-\(name)", withExtension: "json", subdirectory: "Fixtures"))
        return ByteBuffer(bytes: try Data(contentsOf: file))
    }

    private static func body(_ text: String) throws -> CreationBody {
        try #require(CreationBody(ByteBuffer(string: text)))
    }

    @Test(arguments: ["everything-28.2", "everything-20.10"]) func `a body of the command line is read`(
        _ name: String
    ) throws {
        let body = try #require(CreationBody(try Self.fixture(name)))

        #expect(body.networkMode == "att")
        #expect(body.networks.map(\.reference) == ["att"])
        let endpoint = try EndpointBody(body.networks[0].endpoint, at: "x")
        #expect(endpoint.aliases == ["web", "w2"])
        #expect(endpoint.requested == [IPAddress("10.0.1.50")!])
        #expect(try body.nameServers() == [IPAddress("9.9.9.9")!])
        #expect(body.extraHosts == ["h:1.2.3.4"])
        let ports = try #require(try PortBindings(body.portBindings).ports(without: []))
        #expect(
            ports == [
                AttachedContainer.Port(
                    protocol: .tcp, targetPort: 80, publishedPort: 8080, address: IPAddress("127.0.0.1")!),
                AttachedContainer.Port(protocol: .udp, targetPort: 9000, publishedPort: 9000),
                AttachedContainer.Port(protocol: .udp, targetPort: 9001, publishedPort: 9001),
            ])
        try body.refuseUnsupported(defaultRuntime: "runc")
    }

    @Test(arguments: ["everything-28.2", "everything-20.10", "two-networks-28.2", "docker-py-7"])
    func `only what concerns networks is written anew`(_ name: String) throws {
        let given = try Self.fixture(name)
        let body = try #require(CreationBody(given))
        let rewritten = try body.rewritten(for: "att1", hostsFile: "/state/hosts/att1")
        let before = try #require(JSONText(given)?.object)
        let after = try #require(JSONText(rewritten)?.object)

        for (name, value) in before.named where !["HostConfig", "NetworkingConfig", "Labels"].contains(name) {
            #expect(after[name] == value, "\(name)")
        }
        #expect(after["NetworkingConfig"] == nil)
        let host = after.object("HostConfig")
        for (name, value) in before.object("HostConfig").named
        where !["NetworkMode", "PortBindings", "Dns", "DnsOptions", "Binds"].contains(name) {
            #expect(host[name] == value, "HostConfig.\(name)")
        }
        #expect(host["NetworkMode"]?.text == "none")
        #expect(host["Runtime"]?.text == "causeway")
        #expect(host["PortBindings"] == nil)
        #expect(host["Dns"]?.value() == ["127.0.0.11"])
        #expect(host["DnsOptions"]?.value() == ["ndots:0"])
        #expect(host["Binds"]?.value() == ["/state/hosts/att1:/etc/hosts"])
        let labels: [String: String] = try #require(after["Labels"]?.value())
        #expect(labels["com.causeway.attachment"] == "att1")
        #expect(labels["k"] == (name.hasPrefix("everything") ? "v" : nil))
        let original = try #require(OriginalRequest(label: labels["com.causeway.request"] ?? ""))
        #expect(original.networkMode == "att")
    }

    @Test func `several networks are those of the body and the one of the mode`() throws {
        let two = try #require(CreationBody(try Self.fixture("two-networks-28.2")))
        #expect(two.networks.map(\.reference) == ["att", "att6"])
        #expect(two.publishesAll)
        #expect(two.exposed == ["81/tcp"])

        let bridge = try #require(CreationBody(try Self.fixture("bridge-28.2")))
        #expect(bridge.networks.map(\.reference) == ["default"])

        let compose = try Self.body(
            #"{"HostConfig":{"NetworkMode":"p_default"},"NetworkingConfig":{"EndpointsConfig":{"x":{}}}}"#)
        #expect(compose.networks.map(\.reference) == ["p_default", "x"])
        let old = try Self.body(
            #"{"hostConfig":{"networkMode":"default"},"networkingConfig":{"EndpointsConfig":{"x":null}}}"#)
        #expect(old.networks.map(\.reference) == ["x"])
        #expect(try Self.body("{}").networks.isEmpty)
        #expect(CreationBody(ByteBuffer(string: "[]")) == nil)
    }

    @Test(arguments: [
        ("mac-address-28.2", "MacAddress (--mac-address)"), ("mac-address-20.10", "MacAddress (--mac-address)"),
        ("link-28.2", "Links (--link)"), ("link-20.10", "Links (--link)"),
    ]) func `what cannot be honoured is refused by name`(_ name: String, _ said: String) throws {
        let body = try #require(CreationBody(try Self.fixture(name)))

        let error = #expect(throws: APIError.self) {
            try body.refuseUnsupported(defaultRuntime: "runc")
            for (_, endpoint) in body.networks { _ = try EndpointBody(endpoint, at: "NetworkingConfig") }
        }
        #expect(error?.status == 501)
        #expect(error?.message.contains(said) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        #"{"IPAMConfig":{"LinkLocalIPs":["169.254.1.9"]}}"#, #"{"DriverOpts":{"a":"b"}}"#, #"{"GwPriority":1}"#,
        #"{"IPAMConfig":{"IPv4Address":"10.0.0.300"}}"#, #"{"IPAMConfig":{"IPv4Address":"fd00::1"}}"#,
        #"{"IPAMConfig":{"IPv6Address":"10.0.0.1"}}"#, #"{"Aliases":"x"}"#, "[]",
    ]) func `a network's own settings that cannot be honoured are refused`(_ text: String) throws {
        let value = try #require(JSONText(ByteBuffer(string: text)))
        #expect(throws: APIError.self) { _ = try EndpointBody(value, at: "x") }
    }

    @Test func `another runtime is refused, the default one is not`() throws {
        try Self.body(#"{"HostConfig":{"Runtime":"runc"}}"#).refuseUnsupported(defaultRuntime: "runc")
        try Self.body(#"{"HostConfig":{"Runtime":"causeway"}}"#).refuseUnsupported(defaultRuntime: "runc")
        let error = #expect(throws: APIError.self) {
            try Self.body(#"{"HostConfig":{"Runtime":"kata"}}"#).refuseUnsupported(defaultRuntime: "runc")
        }
        #expect(error?.message.contains("'kata' (--runtime)") == true)
    }

    @Test(arguments: [
        #"{"HostConfig":{"Binds":["/my:/etc/hosts:ro"]}}"#,
        #"{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/my","Target":"/etc/hosts"}]}}"#,
        #"{"Volumes":{"/etc/hosts":{}}}"#,
    ]) func `who mounts his own hosts keeps it`(_ text: String) throws {
        let body = try Self.body(text)
        #expect(body.mountsHosts)
        let after = try #require(JSONText(try body.rewritten(for: "a", hostsFile: "/h"))?.object)
        let binds: [String] = after.object("HostConfig")["Binds"]?.value() ?? []
        #expect(!binds.contains("/h:/etc/hosts"))
    }

    @Test func `resolver options of the user's own are kept`() throws {
        let body = try Self.body(#"{"HostConfig":{"DnsOptions":["ndots:3","timeout:1"]}}"#)
        let after = try #require(JSONText(try body.rewritten(for: "a", hostsFile: "/h"))?.object)
        #expect(after.object("HostConfig")["DnsOptions"]?.value() == ["ndots:3", "timeout:1"])
    }

    // MARK: ports

    private func bindings(_ text: String, exposed: Set<String> = []) throws -> PortBindings {
        try PortBindings(JSONText(ByteBuffer(string: text)), exposed: exposed)
    }

    @Test func `a range gives the first port that is free`() throws {
        for name in ["range-28.2", "range-20.10"] {
            let body = try #require(CreationBody(try Self.fixture(name)))
            let wishes = try PortBindings(body.portBindings)
            #expect(wishes.ports(without: [])?.map(\.publishedPort) == [8000])
            #expect(wishes.ports(without: [8000, 8001])?.map(\.publishedPort) == [8002])
            #expect(wishes.ports(without: [8000, 8001, 8002]) == nil)
        }
        let two = try bindings(#"{"80/tcp":[{"HostPort":"90-91"}],"81/tcp":[{"HostPort":"90-91"}]}"#)
        #expect(two.ports(without: [])?.map(\.publishedPort) == [90, 91])
    }

    @Test func `ports without a number, and exposed ones, ask for any`() throws {
        let wishes = try bindings(
            #"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"0"},{"HostIp":"::","HostPort":""}],"53/udp":null,"54":[]}"#,
            exposed: ["80/tcp", "443/tcp"])
        #expect(
            wishes.ports(without: []) == [
                AttachedContainer.Port(protocol: .tcp, targetPort: 80),
                AttachedContainer.Port(protocol: .udp, targetPort: 53),
                AttachedContainer.Port(protocol: .tcp, targetPort: 54),
                AttachedContainer.Port(protocol: .tcp, targetPort: 443),
            ])
    }

    @Test(arguments: [
        #"{"x/tcp":[]}"#, #"{"0/tcp":[]}"#, #"{"70000/tcp":[]}"#, #"{"80/ipx":[]}"#, #"{"80/tcp/x":[]}"#,
        #"{"80/tcp":[{"HostPort":"x"}]}"#, #"{"80/tcp":[{"HostPort":"9-8"}]}"#, #"{"80/tcp":[{"HostPort":"70000"}]}"#,
        #"{"80/tcp":[{"HostIp":"nowhere","HostPort":"80"}]}"#, #"{"80/tcp":"80"}"#,
    ]) func `a port that is none is refused`(_ text: String) {
        #expect(throws: APIError.self) { _ = try bindings(text) }
    }
}
