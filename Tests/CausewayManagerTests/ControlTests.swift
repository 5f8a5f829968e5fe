import CausewayManager
import CausewayModel
import CausewayStore
import Foundation
import Testing

/// One request that is refused, and how.
struct Refused: Sendable, CustomTestStringConvertible {
    var name: String
    var reason: SwarmError.Reason
    var message: String
    var spec: Swarm.ServiceSpec

    init(
        _ name: String, _ reason: SwarmError.Reason, _ message: String, _ edit: (inout Swarm.ServiceSpec) -> Void
    ) {
        self.name = name
        self.reason = reason
        self.message = message
        var wanted = CausewayManagerTests.spec("new")
        edit(&wanted)
        spec = wanted
    }

    var testDescription: String { name }
}

private let argument = "rpc error: code = InvalidArgument desc = "

private func ports(_ ports: Swarm.PortConfig...) -> Swarm.EndpointSpec { .init(ports: ports) }

private func mount(_ type: String, _ source: String?, _ target: String) -> Swarm.Mount {
    var mount = Swarm.Mount.empty
    mount.type = type
    mount.source = source
    mount.target = target
    return mount
}

extension Swarm.Mount {
    static var empty: Swarm.Mount { (try? JSONValue.decode(#"{"Target":""}"#)) ?? { fatalError("no mount") }() }
}

private let refused: [Refused] = [
    Refused(
        "a name in use", .conflict,
        "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already exists"
    ) { $0.name = "web" },
    Refused("a malformed name", .invalid, argument + "name must be valid as a DNS name component") { $0.name = "a b" },
    Refused("a name ending in a dash", .invalid, argument + "name must be valid as a DNS name component") {
        $0.name = "a-"
    },
    Refused("a long name", .invalid, argument + "name must be 63 characters or fewer") {
        $0.name = String(repeating: "a", count: 64)
    },
    Refused("too many replicas", .invalid, argument + "65537 replicas are too many: a service may have 65536") {
        $0.mode = .replicated(65537)
    },
    Refused(
        "a template of nothing", .invalid,
        argument
            + "expanding hostname failed: template: expansion:1: can't evaluate field Nope: known are "
            + ".Node, .Service, .Task"
    ) { $0.taskTemplate.containerSpec?.hostname = "{{.Nope}}" },
    Refused("no image", .invalid, argument + "ContainerSpec: image reference must be provided") {
        $0.taskTemplate.containerSpec?.image = ""
    },
    Refused("a malformed image", .invalid, argument + "ContainerSpec: \"Not An Image\" is not a valid repository/tag") {
        $0.taskTemplate.containerSpec?.image = "Not An Image"
    },
    Refused(
        "a hasty health check", .invalid, argument + "ContainerSpec: Interval in HealthConfig cannot be less than 1ms"
    ) {
        $0.taskTemplate.containerSpec?.healthcheck = .init(test: ["CMD", "true"])
        $0.taskTemplate.containerSpec?.healthcheck?.interval = Nanoseconds(1)
    },
    Refused(
        "a health check that is never tried", .invalid,
        argument + "ContainerSpec: Retries in HealthConfig cannot be negative"
    ) {
        $0.taskTemplate.containerSpec?.healthcheck = .init(test: ["CMD", "true"])
        $0.taskTemplate.containerSpec?.healthcheck?.retries = -1
    },
    Refused("a negative number of a generic resource", .invalid, argument + "invalid argument for resource gpu") {
        $0.taskTemplate.resources = .init()
        $0.taskTemplate.resources?.reservations = .init()
        $0.taskTemplate.resources?.reservations?.genericResources = [.init("gpu", -1)]
    },
    Refused("no container", .invalid, "mismatched Runtime and *Spec fields") { $0.taskTemplate.containerSpec = nil },
    Refused("a plugin", .invalid, "mismatched Runtime and *Spec fields") { $0.taskTemplate.runtime = "plugin" },
    Refused("an unknown network", .notFound, "network nope not found") {
        $0.taskTemplate.networks = [.init(target: "nope")]
    },
    Refused(
        "ingress by name", .invalid,
        argument + "Service cannot be explicitly attached to the ingress network \"ingress\""
    ) {
        $0.taskTemplate.networks = [.init(target: "ingress")]
    },
    Refused(
        "an option that Docker's drivers act on", .unsupported,
        "driver option 'com.docker.network.endpoint.sysctls' of network onet is not supported by causeway: leave --network's driver-opt away"
    ) {
        var attachment = Swarm.NetworkAttachmentConfig(target: "onet")
        attachment.driverOpts = ["foo": "bar", "com.docker.network.endpoint.sysctls": "a=b"]
        $0.taskTemplate.networks = [attachment]
    },
    Refused(
        "a malformed alias", .invalid,
        argument
            + "alias 'a b' on network onet must be valid as a DNS name: letters, digits, '-' and '_', labels of 1 to 63 bytes"
    ) { $0.taskTemplate.networks = [.init(target: "onet", aliases: ["a b"])] },
    Refused(
        "a port in use", .invalid, argument + "port '8080' is already in use by service 'web' (@web) as an ingress port"
    ) { $0.endpointSpec = ports(.init(targetPort: 1, publishedPort: 8080)) },
    Refused(
        "a host port that the mesh has", .invalid,
        argument + "port '8080' is already in use by service 'web' (@web) as an ingress port"
    ) { $0.endpointSpec = ports(.init(targetPort: 1, publishedPort: 8080, publishMode: .host)) },
    Refused(
        "a mesh port that a host has", .invalid,
        argument + "port '9090' is already in use by service 'web' (@web) as a host-published port"
    ) { $0.endpointSpec = ports(.init(targetPort: 1, publishedPort: 9090)) },
    Refused("a port twice", .invalid, argument + "EndpointSpec: duplicate published ports provided") {
        $0.endpointSpec = ports(.init(targetPort: 1, publishedPort: 81), .init(targetPort: 2, publishedPort: 81))
    },
    Refused("target port 0", .invalid, argument + "EndpointSpec: invalid target port 0: ports are 1 to 65535") {
        $0.endpointSpec = ports(.init(targetPort: 0, publishedPort: 81))
    },
    Refused(
        "dnsrr with a mesh port", .invalid,
        argument + "EndpointSpec: port published with ingress mode can't be used with dnsrr mode"
    ) {
        $0.endpointSpec = ports(.init(targetPort: 1, publishedPort: 81))
        $0.endpointSpec?.mode = .dnsrr
    },
    Refused("sctp", .unsupported, "publishing sctp port 1 is not supported by causeway: publish tcp or udp ports") {
        $0.endpointSpec = ports(.init(protocol: .sctp, targetPort: 1, publishedPort: 81))
    },
    Refused("little memory", .invalid, argument + "invalid memory value -1: Must be at least 4MiB") {
        $0.taskTemplate.resources = try? JSONValue.decode(#"{"Limits":{"MemoryBytes":-1}}"#)
    },
    Refused("negative cpus", .invalid, argument + "invalid cpu value -1: Must be at least 0.001") {
        $0.taskTemplate.resources = try? JSONValue.decode(#"{"Reservations":{"NanoCPUs":-1000000000}}"#)
    },
    Refused("a negative delay", .invalid, argument + "TaskSpec: restart-delay cannot be negative") {
        $0.taskTemplate.restartPolicy = .init(delay: Nanoseconds(-1))
    },
    Refused(
        "a constraint without operator", .internal,
        "rpc error: code = Unknown desc = constraint expected one operator from ==, !="
    ) { $0.taskTemplate.placement = try? JSONValue.decode(#"{"Constraints":["node.role=manager"]}"#) },
    Refused(
        "an unknown constraint", .unsupported,
        "placement constraint 'node.colour==red' is not supported: use node.id, node.hostname, node.ip, node.role, node.platform.os, node.platform.arch, node.labels.KEY or engine.labels.KEY"
    ) { $0.taskTemplate.placement = try? JSONValue.decode(#"{"Constraints":["node.colour==red"]}"#) },
    Refused("a mount twice", .invalid, argument + "ContainerSpec: duplicate mount point: /a") {
        $0.taskTemplate.containerSpec?.mounts = [mount("tmpfs", nil, "/a"), mount("volume", "v", "/a")]
    },
    Refused(
        "a relative mount", .invalid,
        "invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be absolute"
    ) { $0.taskTemplate.containerSpec?.mounts = [mount("bind", "a", "/a")] },
    Refused(
        "an unknown mount", .unsupported, "mount type 'npipe' is not supported by causeway: use bind, volume or tmpfs"
    ) { $0.taskTemplate.containerSpec?.mounts = [mount("npipe", "a", "/a")] },
    Refused("an unknown failure action", .invalid, "unrecognized update failure action explode") {
        $0.updateConfig = .init()
        $0.updateConfig?.failureAction = "explode"
    },
]

@Suite struct `A service that is refused` {
    @Test(arguments: refused)
    func `is refused with Docker's words, and nothing is written`(refused: Refused) async throws {
        let world = try await World.started()
        _ = try await world.manager.createNetwork(network("onet"))
        let web = try await world.manager.createService(
            spec(
                "web",
                ports: [
                    .init(targetPort: 80, publishedPort: 8080),
                    .init(targetPort: 90, publishedPort: 9090, publishMode: .host),
                ]))
        try await world.settle()
        let before = world.view.revision

        await #expect(
            throws: SwarmError(refused.reason, refused.message.replacingOccurrences(of: "@web", with: web.id))
        ) {
            _ = try await world.manager.createService(refused.spec)
        }

        #expect(world.view.revision == before)
    }

    @Test func `is refused in an update as well, and stale or changed in kind it cannot be`() async throws {
        let world = try await World.started()
        let web = try await world.manager.createService(spec("web"))
        try await world.settle()
        let current = try world.current(web)
        func attempt(_ version: Swarm.Version, rollback: Bool = false, _ edit: (inout Swarm.ServiceSpec) -> Void) async
            -> SwarmError?
        {
            var wanted = current.spec
            edit(&wanted)
            do {
                _ = try await world.manager.updateService(web.id, wanted, version: version, rollback: rollback)
                return nil
            } catch { return error }
        }

        let now = current.meta.version
        #expect(await attempt(Swarm.Version(1)) { $0.labels["a"] = "b" } == .outOfSequence)
        #expect(
            await attempt(now) { $0.mode = .global }
                == SwarmError(.unsupported, "rpc error: code = Unimplemented desc = service mode change is not allowed")
        )
        #expect(
            await attempt(now) { $0.name = "other" }
                == SwarmError(.unsupported, "rpc error: code = Unimplemented desc = renaming services is not supported")
        )
        #expect(
            await attempt(now, rollback: true) { _ in }
                == SwarmError(
                    .invalid,
                    "rpc error: code = FailedPrecondition desc = service \(web.id) does not have a previous spec"))
        #expect(await attempt(now) { $0.taskTemplate.containerSpec?.image = "" }?.reason == .invalid)
        #expect(try world.current(web) == current)
    }

    @Test func `host ports may repeat, and a task that cannot have one says so`() async throws {
        let world = try await World.started()
        let port = Swarm.PortConfig(targetPort: 80, publishedPort: 9090, publishMode: .host)
        let one = try await world.manager.createService(spec("one", ports: [port]))
        let two = try await world.manager.createService(spec("two", ports: [port]))

        try await world.settle()

        #expect(world.running(one).count == 1)
        #expect(world.tasks(two).map(\.status.error) == ["no suitable node (host-mode port already in use on 1 node)"])
        try await world.manager.removeService(one.id)
        try await world.settle()
        #expect(world.running(two).count == 1)
    }

    @Test(arguments: [
        (
            #"{"Constraints":["node.role==worker"]}"#,
            "no suitable node (scheduling constraints not satisfied on 1 node)"
        ),
        (
            #"{"Platforms":[{"Architecture":"arm64","OS":"linux"}]}"#,
            "no suitable node (unsupported platform on 1 node)"
        ),
        (#"{"MaxReplicas":1}"#, "no suitable node (max replicas per node limit exceed)"),
        (
            #"{"Constraints":["node.hostname==N1","node.platform.os!=windows","node.labels.a!=b"],"Platforms":[{"Architecture":"amd64"}]}"#,
            nil
        ),
    ])
    func `waits with Docker's words when no node suits`(placement: String, error: String?) async throws {
        let world = try await World.started()
        var wanted = spec("web", replicas: 2)
        wanted.taskTemplate.placement = try JSONValue.decode(placement)
        let service = try await world.manager.createService(wanted)

        try await world.settle()

        #expect(world.tasks(service).last?.status.error == error)
    }

    @Test func `waits for reserved memory`() async throws {
        let world = try await World.started()
        var wanted = spec("web", replicas: 3)
        wanted.taskTemplate.resources = try JSONValue.decode(#"{"Reservations":{"MemoryBytes":536870912}}"#)
        let service = try await world.manager.createService(wanted)

        try await world.settle()

        #expect(world.running(service).count == 2)
        #expect(world.tasks(service).last?.status.error == "no suitable node (insufficient resources on 1 node)")
    }
}

@Suite struct `Image references` {
    @Test(arguments: [
        "busybox", "busybox:latest", "library/a_b__c.d--e", "localhost:5000/x/y:1.2_3-z", "registry.example.org/a",
        "nginx:alpine@sha256:" + String(repeating: "a", count: 64), "Host.example/x",
        "a@sha256:" + String(repeating: "0", count: 64),
    ])
    func `are read`(text: String) { #expect(accepts(text)) }

    @Test(arguments: [
        "", " ", "UPPER", "a b", "a:", ":a", "a//b", "/a", "a/", "a@sha256:12", "a:-x", "a___b", "-a", "a..b", "a:b:c",
        "https://x/y", "a@", "a:" + String(repeating: "t", count: 129),
    ])
    func `are refused`(text: String) { #expect(!accepts(text)) }

    private func accepts(_ text: String) -> Bool {
        do {
            _ = try ServiceValidator(StoreSnapshot()).create(spec("x", image: text))
            return true
        } catch { return false }
    }
}
