import CausewayModel
import Foundation
import NIOCore
import Synchronization
import Testing

@testable import CausewayAPI

/// Containers of users on networks of ours, before an engine and a manager that are made up.
@Suite(.serialized) struct ContainerRoutesTests {
    static let create = #"{"Image":"busybox","HostConfig":{"NetworkMode":"mynet"}}"#
    static let id = String(repeating: "1", count: 64)

    /// A house with an attachable network `mynet`, another, and one for services alone.
    private func with(
        _ docker: FakeDocker = FakeDocker(), active: Bool = true,
        during body: @escaping @Sendable (House, FakeDocker) async throws -> Void
    ) async throws {
        try await House.with(active: active, script: docker.script) { house in
            for (name, isAttachable) in [("mynet", true), ("second", true), ("services", false)] {
                var spec = Swarm.NetworkSpec(name: name)
                spec.isAttachable = isAttachable
                await house.control.add(
                    Swarm.Network(
                        id: "\(name)000000000000000000000".prefix(25).description, meta: FakeControl.meta(1),
                        spec: spec,
                        subnets: [Swarm.Subnet(subnet: CIDR("10.0.1.0/24")!, gateway: IPAddress("10.0.1.1")!)]))
            }
            try await body(house, docker)
        }
    }

    private func hosts(_ house: House, _ attachment: String = "attachment1") -> String? {
        try? String(contentsOfFile: "\(house.hostsFolder)/\(attachment)", encoding: .utf8)
    }

    // MARK: create

    @Test func `a container gets its place, is made without a network, and the two are told of each other`()
        async throws
    {
        try await with { house, docker in
            let body = String(buffer: try CreationBodyTests.fixture("everything-28.2"))
                .replacingOccurrences(of: #""att""#, with: #""mynet""#)
            let reply = try await house.call("POST", "/v1.50/containers/create?platform=&name=c1", body)

            #expect(reply.status == 201)
            #expect(reply.body == #"{"Id":"\#(Self.id)","Warnings":["w"]}"# + "\n")
            #expect(await house.containers.calls == ["attach c1", "bind attachment1 1111"])
            let user = try #require(await house.containers.attached.first)
            #expect(user.networks.map(\.aliases) == [["web", "w2"]])
            #expect(user.networks.map(\.requested) == [[IPAddress("10.0.1.50")!]])
            #expect(user.nameServers == [IPAddress("9.9.9.9")!])
            #expect(user.ports.map(\.publishedPort) == [8080, 9000, 9001])
            #expect(docker.targets.last == "POST /containers/create?name=c1&platform=&name=c1")
            #expect(
                hosts(house)?.hasSuffix("ff02::2\tip6-allrouters\n1.2.3.4\th\n10.0.1.50\t111111111111\n") == true)
        }
    }

    @Test func `a network is known by the beginning of its identifier, and by its name in another body`() async throws {
        try await with { house, _ in
            for (name, body) in [
                ("a", #"{"HostConfig":{"NetworkMode":"mynet00000"}}"#),
                (
                    "b",
                    #"{"HostConfig":{"NetworkMode":"default"},"NetworkingConfig":{"EndpointsConfig":{"mynet":null}}}"#
                ),
                (
                    "c",
                    #"{"HostConfig":{"NetworkMode":"mynet"},"NetworkingConfig":{"EndpointsConfig":{"mynet00000":{"Aliases":["x"]},"second":{}}}}"#
                ),
            ] {
                let made = try await house.call("POST", "/containers/create?name=\(name)", body)
                #expect(made.status == 201)
            }
            let networks = await house.containers.attached.map { $0.networks.map { String($0.networkID.prefix(6)) } }
            #expect(networks.map { $0.sorted() } == [["mynet0"], ["mynet0"], ["mynet0", "second"]])
            #expect(await house.containers.attached.last?.networks.first?.aliases == ["x"])
        }
    }

    @Test func `what is on no network of ours goes through as it is`() async throws {
        try await with { house, docker in
            for body in [
                #"{"Image":"x","HostConfig":{"NetworkMode":"bridge"}}"#, #"{"Image":  "x"}"#, "no JSON",
                #"{"HostConfig":{"NetworkMode":"unknown"}}"#, #"{"HostConfig":{"NetworkMode":"container:mynet"}}"#,
            ] {
                _ = try await house.call("POST", "/containers/create?name=x", body)
                #expect(docker.body(of: "POST /containers/create") == body)
            }
            #expect(await house.containers.calls.isEmpty)
        }
    }

    @Test func `outside a swarm everything goes through`() async throws {
        try await with(active: false) { house, docker in
            _ = try await house.call("POST", "/containers/create?name=x", Self.create)
            #expect(docker.body(of: "POST /containers/create") == Self.create)
            #expect(try await house.call("GET", "/containers/json").status == 200)
        }
    }

    @Test(arguments: [
        (
            #"{"HostConfig":{"NetworkMode":"bridge"},"NetworkingConfig":{"EndpointsConfig":{"mynet":{}}}}"#, 400,
            "a container cannot be on Docker's network bridge and on Causeway's network mynet at once"
        ),
        (
            #"{"HostConfig":{"NetworkMode":"mynet"},"NetworkingConfig":{"EndpointsConfig":{"br1":{}}}}"#, 400,
            "a container cannot be on Docker's network br1 and on Causeway's network mynet at once"
        ),
        (
            #"{"HostConfig":{"NetworkMode":"services"}}"#, 403,
            "Could not attach to network services: rpc error: code = PermissionDenied desc = network services not "
                + "manually attachable"
        ),
        (#"{"HostConfig":{"NetworkMode":"mynet","Links":["a:b"]}}"#, 501, "HostConfig.Links (--link)"),
        (
            #"{"HostConfig":{"NetworkMode":"mynet"},"MacAddress":"02:00:00:00:00:01"}"#, 501,
            "MacAddress (--mac-address)"
        ),
        (#"{"HostConfig":{"NetworkMode":"mynet","Dns":["resolver"]}}"#, 400, "invalid IP address in Dns: resolver"),
        (#"{"HostConfig":{"NetworkMode":"mynet","ExtraHosts":["x"]}}"#, 400, "bad format for add-host: \"x\""),
        (#"{"HostConfig":{"NetworkMode":"mynet","PortBindings":{"x":[]}}}"#, 400, "invalid port specification"),
    ]) func `what cannot be is refused, and nothing is left`(_ body: String, _ status: Int, _ said: String) async throws
    {
        try await with { house, docker in
            let reply = try await house.call("POST", "/containers/create?name=x", body)

            #expect(reply.status == status)
            #expect(reply.message.hasPrefix(said), "\(reply.message)")
            #expect(await house.containers.attached.isEmpty)
            #expect(!docker.targets.contains { $0.hasPrefix("POST") })
        }
    }

    @Test func `what the engine refuses is given back, and its answer is the client's`() async throws {
        try await with { house, docker in
            docker.refuse("POST /containers/create", "404 Not Found", #"{"message":"No such image: busybox:latest"}"#)
            let reply = try await house.call("POST", "/containers/create?name=x", Self.create)

            #expect(reply.status == 404)
            #expect(reply.body == #"{"message":"No such image: busybox:latest"}"#)
            #expect(await house.containers.calls == ["attach x", "detach attachment1"])
        }
    }

    @Test func `what the manager refuses is not asked of the engine`() async throws {
        try await with { house, docker in
            await house.containers.refuse("attach", SwarmError(.conflict, "address 10.0.1.9 is taken by c2"))
            let reply = try await house.call("POST", "/containers/create?name=x", Self.create)

            #expect(reply.status == 409)
            #expect(reply.message == "address 10.0.1.9 is taken by c2")
            #expect(!docker.targets.contains { $0.hasPrefix("POST") })
        }
    }

    @Test func `a container that the manager does not take is removed again`() async throws {
        try await with { house, docker in
            await house.containers.refuse("bind", SwarmError(.internal, "the node is away"))
            let reply = try await house.call("POST", "/containers/create?name=x", Self.create)

            #expect(reply.status == 500)
            #expect(reply.message == "the node is away")
            #expect(docker.targets.last == "DELETE /containers/\(Self.id)?force=1&v=1")
            #expect(await house.containers.attached.isEmpty)
        }
    }

    @Test func `a container without a name gets one, and another where it is taken`() async throws {
        try await with { house, docker in
            #expect(try await house.call("POST", "/containers/create", Self.create).status == 201)
            let name = try #require(await house.containers.attached.first?.name)
            #expect(name.split(separator: "_").count == 2)
            #expect(docker.targets.last == "POST /containers/create?name=\(name)")

            docker.refuse("POST /containers/create", "409 Conflict", #"{"message":"Conflict."}"#)
            #expect(try await house.call("POST", "/containers/create?name=", Self.create).status == 409)
            let tries = docker.targets.filter { $0.hasPrefix("POST /containers/create") }.count
            #expect(tries == 21)
            #expect(await house.containers.attached.count == 1)
        }
    }

    @Test func `a port of a range is tried after the other`() async throws {
        try await with { house, _ in
            await house.containers.hold(8000)
            let body = #"{"HostConfig":{"NetworkMode":"mynet","PortBindings":{"80/tcp":[{"HostPort":"8000-8001"}]}}}"#
            #expect(try await house.call("POST", "/containers/create?name=a", body).status == 201)
            #expect(await house.containers.attached.first?.ports.map(\.publishedPort) == [8001])

            await house.containers.hold(8001)
            let reply = try await house.call("POST", "/containers/create?name=b", body)
            #expect(reply.status == 409)
            #expect(reply.message == "port 8001 is held by nginx")
        }
    }

    @Test func `publish-all publishes what the image and the command line expose`() async throws {
        try await with { house, _ in
            let body =
                #"{"Image":"busybox","ExposedPorts":{"81/tcp":{}},"HostConfig":{"NetworkMode":"mynet","PublishAllPorts":true}}"#
            let made = try await house.call("POST", "/containers/create?name=a", body)
            #expect(made.status == 201)
            #expect(await house.containers.attached.first?.ports.map(\.targetPort) == [443, 80, 81])
        }
    }

    @Test func `host-gateway is the host on Docker's bridge, and names of the container's own are written`()
        async throws
    {
        try await with { house, _ in
            let body =
                #"{"Hostname":"h","Domainname":"d.example","HostConfig":{"NetworkMode":"mynet","ExtraHosts":["up:host-gateway","six:fd00::1","seven:[fd00::2]"]}}"#
            let made = try await house.call("POST", "/containers/create?name=a", body)
            #expect(made.status == 201)
            #expect(
                hosts(house)?.hasSuffix("172.17.0.1\tup\nfd00::1\tsix\nfd00::2\tseven\n10.0.1.5\th.d.example h\n")
                    == true, "\(hosts(house) ?? "no file")")
        }
    }

    // MARK: inspect

    @Test func `inspect gives back what the user asked for`() async throws {
        try await with { house, docker in
            let body =
                #"{"Image":"x","Labels":{"k":"v"},"ExposedPorts":{"80/tcp":{},"99/tcp":{}},"HostConfig":{"NetworkMode":"mynet","Binds":["/d:/d"],"Dns":["9.9.9.9"],"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]}},"NetworkingConfig":{"EndpointsConfig":{"mynet":{"Aliases":["al"],"IPAMConfig":{"IPv4Address":"10.0.1.50"}}}}}"#
            #expect(try await house.call("POST", "/containers/create?name=c1", body).status == 201)

            var shown = try await house.call("GET", "/v1.50/containers/c1/json").object
            var settings = try #require(shown["NetworkSettings"] as? [String: Any])
            #expect((settings["Ports"] as? [String: Any])?.isEmpty == true)
            var place = try #require((settings["Networks"] as? [String: [String: Any]])?["mynet"])
            #expect(place["IPAddress"] as? String == "")
            #expect((place["IPAMConfig"] as? [String: String]) == ["IPv4Address": "10.0.1.50"])

            docker.start("c1")
            shown = try await house.call("GET", "/v1.50/containers/c1/json").object
            let host = try #require(shown["HostConfig"] as? [String: Any])
            #expect(host["NetworkMode"] as? String == "mynet")
            #expect(host["Runtime"] as? String == "runc")
            #expect(host["Binds"] as? [String] == ["/d:/d"])
            #expect(host["Dns"] as? [String] == ["9.9.9.9"])
            #expect((host["PortBindings"] as? [String: [[String: String]]])?["80/tcp"]?.first?["HostPort"] == "8080")
            #expect((shown["Config"] as? [String: Any])?["Labels"] as? [String: String] == ["k": "v"])
            #expect((shown["Mounts"] as? [Any])?.isEmpty == true)
            settings = try #require(shown["NetworkSettings"] as? [String: Any])
            let ports = try #require(settings["Ports"] as? [String: Any])
            #expect(
                ports["80/tcp"] as? [[String: String]] == [
                    ["HostIp": "0.0.0.0", "HostPort": "8080"], ["HostIp": "::", "HostPort": "8080"],
                ])
            #expect(ports["99/tcp"] is NSNull)
            let networks = try #require(settings["Networks"] as? [String: [String: Any]])
            #expect(Array(networks.keys) == ["mynet"])
            place = try #require(networks["mynet"])
            #expect(place["IPAddress"] as? String == "10.0.1.50")
            #expect(place["IPPrefixLen"] as? Int == 24)
            #expect(place["Gateway"] as? String == "")
            #expect(place["MacAddress"] as? String == "02:42:0a:00:01:32")
            #expect(place["Aliases"] as? [String] == ["al", "111111111111"])
            #expect(place["DNSNames"] as? [String] == ["c1", "al", "111111111111"])
            #expect((place["EndpointID"] as? String)?.count == 64)
            #expect((place["NetworkID"] as? String)?.hasPrefix("mynet") == true)
        }
    }

    @Test func `a container of a service shows its service's networks`() async throws {
        try await with { house, docker in
            docker.add("t1", "web.1.x", body: #"{"HostConfig":{"NetworkMode":"none","Runtime":"causeway"}}"#)
            await house.control.addRunningTask(
                container: "t1", network: "mynet0000000000000000000000".prefix(25).description)

            let shown = try await house.call("GET", "/containers/web.1.x/json").object
            #expect((shown["HostConfig"] as? [String: Any])?["NetworkMode"] as? String == "default")
            let networks = (shown["NetworkSettings"] as? [String: Any])?["Networks"] as? [String: [String: Any]]
            #expect(networks?["mynet"]?["IPAddress"] as? String == "10.0.1.77")
            #expect(networks?["none"] == nil)
        }
    }

    @Test func `what the engine says of another container is handed on byte for byte`() async throws {
        try await with { house, docker in
            docker.refuse("GET /containers/other/json", "200 OK", #"{ "Id" : "zzz", "x": 1.0 }"#)
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            #expect(try await house.call("GET", "/containers/other/json").body == #"{ "Id" : "zzz", "x": 1.0 }"#)
            let missing = try await house.call("GET", "/containers/none/json")
            #expect(missing.status == 404)
            #expect(missing.message == "No such container: none")
        }
    }

    // MARK: list

    private func names(_ house: House, _ query: String) async throws -> [String] {
        try await house.call("GET", "/containers/json?\(query)").list.compactMap { ($0["Names"] as? [String])?.first }
    }

    @Test func `the list shows networks and ports, and filters know them`() async throws {
        try await with { house, docker in
            docker.add("theirs", "theirs")
            let body =
                #"{"Labels":{"k":"v"},"ExposedPorts":{"99/udp":{}},"HostConfig":{"NetworkMode":"mynet","PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}}}"#
            for name in ["c2", "c3"] {
                _ = try await house.call("POST", "/containers/create?name=\(name)", body)
            }
            docker.start("c2")
            let shown = try #require(try await house.call("GET", "/containers/json").list.first)
            #expect((shown["HostConfig"] as? [String: String]) == ["NetworkMode": "mynet"])
            #expect((shown["Labels"] as? [String: String]) == ["k": "v"])
            let ports = try #require(shown["Ports"] as? [[String: Any]])
            #expect(ports.map { $0["PublicPort"] as? Int } == [8080, nil])
            #expect(ports.map { $0["PrivatePort"] as? Int } == [80, 99])
            #expect(ports[0]["IP"] as? String == "127.0.0.1")
            let networks = (shown["NetworkSettings"] as? [String: Any])?["Networks"] as? [String: [String: Any]]
            #expect(networks?["mynet"]?["IPAddress"] as? String == "10.0.1.5")

            #expect(try await names(house, "") == ["/c2", "/theirs"])
            #expect(try await names(house, "all=1") == ["/c3", "/c2", "/theirs"])
            #expect(try await names(house, #"filters={"network":["mynet"]}"#) == ["/c2"])
            #expect(try await names(house, #"all=1&filters={"network":{"mynet000":true}}"#) == ["/c3", "/c2"])
            #expect(try await names(house, #"limit=1&filters={"network":["mynet"]}"#) == ["/c3"])
            #expect(try await names(house, #"all=1&filters={"network":["none"]}"#) == [])
            #expect(try await names(house, #"filters={"network":["bridge"]}"#) == ["/theirs"])
            #expect(try await names(house, #"filters={"publish":["8080"]}"#) == ["/c2", "/theirs"])
            #expect(try await names(house, #"filters={"publish":["8000-8079/tcp"]}"#) == ["/theirs"])
            #expect(try await names(house, #"all=1&filters={"network":["mynet"],"expose":["99/udp"]}"#) == ["/c2"])
            #expect(try await names(house, #"all=1&filters={"network":["mynet"],"expose":["99/tcp"]}"#) == [])
        }
    }

    // MARK: the end, and names

    @Test func `a removed container gives everything back, and one that stays does not`() async throws {
        try await with { house, docker in
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            docker.refuse("DELETE", "409 Conflict", #"{"message":"You cannot remove a running container"}"#)
            #expect(try await house.call("DELETE", "/v1.50/containers/c1").status == 409)
            #expect(await house.containers.attached.count == 1)
            #expect(hosts(house) != nil)

            docker.refuse("DELETE", "204 No Content", "")
            #expect(try await house.call("DELETE", "/v1.50/containers/1111?force=1&v=1").status == 204)
            #expect(docker.targets.last == "DELETE /containers/1111?force=1&v=1")
            #expect(await house.containers.attached.isEmpty)
            #expect(hosts(house) == nil)
        }
    }

    @Test func `prune gives back those that the engine removed`() async throws {
        try await with { house, docker in
            for name in ["c1", "c2"] {
                _ = try await house.call("POST", "/containers/create?name=\(name)", Self.create)
            }
            docker.start("c1")
            let reply = try await house.call("POST", "/containers/prune")

            #expect((reply.object["ContainersDeleted"] as? [String])?.count == 1)
            #expect(await house.containers.attached.map(\.name) == ["c1"])
        }
    }

    @Test func `a new name is told, and taken back where it cannot be`() async throws {
        try await with { house, docker in
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            #expect(try await house.call("POST", "/containers/c1/rename?name=c9").status == 204)
            #expect(await house.containers.attached.first?.name == "c9")

            await house.containers.refuse("rename", SwarmError(.conflict, "taken"))
            #expect(try await house.call("POST", "/containers/1111/rename?name=c8").status == 409)
            #expect(docker.targets.last == "POST /containers/\(Self.id)/rename?name=c9")
        }
    }

    // MARK: connect and disconnect

    @Test func `a container joins and leaves a network, and its hosts file follows`() async throws {
        try await with { house, docker in
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            docker.start("c1")
            let joined = try await house.call(
                "POST", "/v1.50/networks/second/connect",
                #"{"Container":"c1","EndpointConfig":{"IPAMConfig":{"IPv4Address":"10.0.1.90"},"Aliases":["q"],"DriverOpts":{}}}"#
            )
            #expect(joined.status == 200)
            #expect(joined.body.isEmpty)
            #expect(await house.containers.attached.first?.networks.last?.aliases == ["q"])
            #expect(hosts(house)?.hasSuffix("10.0.1.5\t111111111111\n10.0.1.90\t111111111111\n") == true)

            let left = try await house.call(
                "POST", "/networks/second/disconnect", #"{"Container":"1111","Force":false}"#)
            #expect(left.status == 200)
            #expect(await house.containers.attached.first?.networks.count == 1)
            #expect(hosts(house)?.hasSuffix("10.0.1.5\t111111111111\n") == true)
        }
    }

    @Test(arguments: [
        ("connect", "mynet", "c1", 403, "endpoint with name c1 already exists in network mynet"),
        ("connect", "services", "c1", 403, "Could not attach to network services: rpc error"),
        (
            "connect", "bridge", "c1", 400,
            "container c1 is on Causeway's networks and cannot be on Docker's network bridge"
        ),
        ("connect", "mynet", "theirs", 400, "container theirs was made on Docker's network bridge, and cannot be on"),
        ("connect", "mynet", "nobody", 404, "No such container: nobody"),
        ("disconnect", "second", "c1", 403, "container \(id) is not connected to network second"),
        ("disconnect", "mynet", "theirs", 403, "container theirs is not connected to network mynet"),
    ]) func `what cannot be joined or left is refused`(
        _ verb: String, _ network: String, _ container: String, _ status: Int, _ said: String
    ) async throws {
        try await with { house, docker in
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            docker.add("f1", "theirs")
            let reply = try await house.call(
                "POST", "/networks/\(network)/\(verb)", #"{"Container":"\#(container)"}"#)

            #expect(reply.status == status)
            #expect(reply.message.hasPrefix(said), "\(reply.message)")
        }
    }

    @Test func `two of the engine's go to the engine`() async throws {
        try await with { house, docker in
            docker.add("f1", "theirs")
            docker.refuse("POST /networks/br1/connect", "200 OK", "")
            let made = try await house.call("POST", "/networks/br1/connect", #"{ "Container":"theirs"}"#)
            #expect(made.status == 200)
            #expect(docker.body(of: "POST /networks/br1/connect") == #"{ "Container":"theirs"}"#)
        }
    }

    // MARK: networks

    @Test func `a network shows its running containers, and is in use`() async throws {
        try await with { house, _ in
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            await house.containers.run("c1")
            let shown = try await house.call("GET", "/networks/mynet").object
            let member = (shown["Containers"] as? [String: [String: String]])?[Self.id]
            #expect(member?["Name"] == "c1")
            #expect(member?["IPv4Address"] == "10.0.1.5/24")

            let dangling = try await house.call("GET", #"/networks?filters={"dangling":["true"]}"#).list
            #expect(!dangling.contains { $0["Name"] as? String == "mynet" })
            #expect(dangling.contains { $0["Name"] as? String == "second" })
            _ = try await house.call("POST", "/networks/prune")
            let left = try await house.control.networks().map(\.spec.name)
            #expect(left.contains("mynet"))
            #expect(!left.contains("second"))
        }
    }

    // MARK: events

    private static func event(_ action: String, _ container: String) -> String {
        #"{"Type":"network","Action":"\#(action)","Actor":{"ID":"n0","Attributes":{"container":"\#(container)","name":"none","type":"null"}},"scope":"local","time":1700000000,"timeNano":1700000000000000005}"#
    }

    private func events(_ house: House, _ query: String) async throws -> [[String: Any]] {
        let text = try await house.call("GET", "/events?since=1&until=2&\(query)").body
        return text.components(separatedBy: .newlines).compactMap {
            try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }

    private func say(_ event: [String: Any]) -> String {
        let actor = event["Actor"] as? [String: Any]
        let attributes = actor?["Attributes"] as? [String: String] ?? [:]
        return "\(event["Type"] ?? "") \(event["Action"] ?? "") \(attributes["name"] ?? "")"
    }

    @Test func `events tell of the real networks, and hide what is ours`() async throws {
        try await with { house, docker in
            _ = try await house.call("POST", "/containers/create?name=c1", Self.create)
            docker.events.withLock {
                $0 = [
                    Self.event("connect", Self.id), Self.event("connect", "stranger"),
                    #"{"Type":"container","Action":"start","Actor":{"ID":"\#(Self.id)","Attributes":{"com.causeway.attachment":"a","com.causeway.request":"{}","image":"x","name":"c1"}},"time":1}"#,
                    Self.event("disconnect", Self.id),
                ]
            }
            let all = try await events(house, "")
            #expect(
                Set(all.map(say)) == [
                    "network connect mynet", "network connect none", "container start c1", "network disconnect mynet",
                ])
            #expect(all.count == 4)
            let start = all.first { $0["Type"] as? String == "container" }
            let attributes = (start?["Actor"] as? [String: Any])?["Attributes"] as? [String: String]
            #expect(attributes == ["image": "x", "name": "c1"])
            let joined = try #require(all.first { say($0) == "network connect mynet" })
            #expect(joined["scope"] as? String == "local")
            #expect(joined["timeNano"] as? Int == 1_700_000_000_000_000_005)
            let member = (joined["Actor"] as? [String: Any])?["Attributes"] as? [String: String]
            #expect(member == ["container": Self.id, "name": "mynet", "type": "overlay"])

            let some = try await events(house, #"filters={"event":["disconnect"],"network":["mynet"]}"#)
            #expect(some.map(say).filter { $0.contains("mynet") } == ["network disconnect mynet"])
            let others = try await events(house, #"filters={"type":["container"]}"#)
            #expect(!others.map(say).contains { $0.contains("mynet") })
        }
    }
}
