import CausewayModel
import FoundationEssentials
import Testing

@testable import CausewayRuntime

@Suite struct `The body that makes a container` {
    static func body(_ json: String) throws -> ContainerCreation {
        let task = try Swarm.Task.sample("task1", json)
        let spec = try #require(task.spec.containerSpec)
        return try ContainerCreation(
            task: task, spec: spec, image: spec.image, runtime: "causeway", hostsFile: "/run/x/tasks/task1/hosts",
            nodeHostname: "alpha")
    }

    static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    @Test func `says the least when the least is asked for`() throws {
        #expect(
            try Self.text(Self.body(#"{"ContainerSpec":{"Image":"busybox:latest"}}"#)) == """
                {
                  "HostConfig" : {
                    "Dns" : [
                      "127.0.0.11"
                    ],
                    "DnsOptions" : [
                      "ndots:0"
                    ],
                    "Mounts" : [
                      {
                        "Source" : "/run/x/tasks/task1/hosts",
                        "Target" : "/etc/hosts",
                        "Type" : "bind"
                      }
                    ],
                    "NetworkMode" : "none",
                    "Runtime" : "causeway"
                  },
                  "Image" : "busybox:latest",
                  "Labels" : {
                    "com.docker.swarm.node.id" : "node1",
                    "com.docker.swarm.service.id" : "service1",
                    "com.docker.swarm.service.name" : "runtime-web",
                    "com.docker.swarm.task" : "",
                    "com.docker.swarm.task.id" : "task1",
                    "com.docker.swarm.task.name" : "runtime-web.2.task1"
                  },
                  "StopTimeout" : 10
                }
                """)
    }

    @Test func `carries every field that the specification acts on`() throws {
        let body = try Self.body(
            """
            {"ContainerSpec":{"Image":"i","Labels":{"a":"b","com.docker.swarm.task.id":"forged"},"Command":["/e"],
             "Args":["x","y"],"Hostname":"h.example.org","Env":["A=1"],"Dir":"/d","User":"u:g","Groups":["g1"],
             "TTY":true,"OpenStdin":true,"ReadOnly":true,"Init":true,"StopSignal":"SIGINT",
             "StopGracePeriod":1500000000,"Isolation":"default","Hosts":["1.2.3.4 n"],
             "DNSConfig":{"Nameservers":["9.9.9.9"],"Search":["s"],"Options":["timeout:1"]},
             "Sysctls":{"net.core.somaxconn":"99"},"CapabilityAdd":["NET_ADMIN"],"CapabilityDrop":["CHOWN"],
             "Ulimits":[{"Name":"nofile","Soft":5,"Hard":6}],"Healthcheck":{"Test":["CMD","true"],"Interval":2000000000},
             "Mounts":[{"Type":"volume","Source":"v","Target":"/v","VolumeOptions":{"Labels":{"l":"1"},
               "DriverConfig":{"Name":"local","Options":{"type":"tmpfs"}}}},
               {"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1024,"Mode":448}},
               {"Type":"bind","Source":"/b","Target":"/etc/hosts","ReadOnly":true}]},
             "Resources":{"Limits":{"NanoCPUs":500000000,"MemoryBytes":67108864,"Pids":50},
               "Reservations":{"MemoryBytes":33554432}},
             "LogDriver":{"Name":"local","Options":{"max-size":"1m"}}}
            """)

        #expect(body.entrypoint == ["/e"] && body.command == ["x", "y"])
        #expect(body.hostname == "h.example.org" && body.environment == ["A=1"])
        #expect(body.workingDirectory == "/d" && body.user == "u:g")
        #expect(body.isTTY == true && body.opensStdin == true)
        #expect(body.stopSignal == "SIGINT" && body.stopTimeout == 2, "half a second is not taken away")
        #expect(body.healthcheck?.test == ["CMD", "true"] && body.healthcheck?.interval == .seconds(2))
        #expect(body.labels["a"] == "b" && body.labels["com.docker.swarm.task.id"] == "task1")
        let host = body.host
        #expect(host.groups == ["g1"] && host.isReadOnly == true && host.`init` == true)
        #expect(host.isolation == "default")
        #expect(host.dns == ["127.0.0.11"] && host.dnsSearch == ["s"])
        #expect(host.dnsOptions == ["timeout:1", "ndots:0"])
        #expect(host.sysctls == ["net.core.somaxconn": "99"])
        #expect(host.addedCapabilities == ["NET_ADMIN"] && host.droppedCapabilities == ["CHOWN"])
        #expect(host.ulimits?.first?.hard == 6)
        #expect(host.nanoCPUs == 500_000_000 && host.memory == 67_108_864 && host.pidsLimit == 50)
        #expect(host.memoryReservation == 33_554_432)
        #expect(host.log == .init(type: "local", config: ["max-size": "1m"]))
        #expect(host.mounts.map(\.target) == ["/v", "/t", "/etc/hosts"], "the user's own /etc/hosts stays")
        #expect(host.mounts[0].volumeOptions?.driverConfig?.options == ["type": "tmpfs"])
        #expect(host.mounts[1].tmpfsOptions?.mode == 448)
    }

    @Test func `says what the container may do as docker run --security-opt does`() throws {
        let privileges = #"""
            {"NoNewPrivileges":true,"SELinuxContext":{"Disable":true,"User":"u","Role":"r","Level":"l","Type":"t"},
            "Seccomp":{"Mode":"custom","Profile":"e30="},"AppArmor":{"Mode":"disabled"}}
            """#
        let body = try Self.body(
            #"{"ContainerSpec":{"Image":"i","OomScoreAdj":-5,"Privileges":\#(privileges)}}"#)

        #expect(
            body.host.securityOptions == [
                "no-new-privileges", "label=disable", "label=user:u", "label=role:r", "label=level:l", "label=type:t",
                "seccomp={}", "apparmor=unconfined",
            ])
        #expect(body.host.oomScoreAdjustment == -5)
        #expect(try Self.body(#"{"ContainerSpec":{"Image":"i","Privileges":{}}}"#).host.securityOptions == nil)
    }

    @Test func `names the generic resources that the task was given`() throws {
        var task = try Swarm.Task.sample("task1", #"{"ContainerSpec":{"Image":"i","Env":["A=1"]}}"#)
        task.genericResources = [.init(named: "gpu", "B"), .init(named: "gpu", "A"), .init("ssd", 2)]
        let spec = try #require(task.spec.containerSpec)
        let body = try ContainerCreation(
            task: task, spec: spec, image: "i", runtime: "causeway", hostsFile: "/h", nodeHostname: "alpha")
        #expect(body.environment == ["A=1", "DOCKER_RESOURCE_GPU=B,A", "DOCKER_RESOURCE_SSD=2"])
    }

    @Test func `keeps the user's ndots`() throws {
        let body = try Self.body(#"{"ContainerSpec":{"Image":"i","DNSConfig":{"Options":["ndots:2"]}}}"#)
        #expect(body.host.dnsOptions == ["ndots:2"])
    }

    @Test func `fills in Swarm's templates where Swarm does`() throws {
        let body = try Self.body(
            """
            {"ContainerSpec":{"Image":"i","Hostname":"{{.Node.Hostname}}-{{ .Task.Slot }}",
             "Env":["S={{.Service.Name}}/{{.Service.ID}}/{{.Service.Labels.tier}}","T={{.Task.Name}} {{.Task.ID}}",
             "N={{.Node.ID}}","O={{`{{`}}"],
             "Mounts":[{"Type":"volume","Source":"data-{{.Task.Slot}}","Target":"/d"}]}}
            """)

        #expect(body.hostname == "alpha-2")
        #expect(
            body.environment == [
                "S=runtime-web/service1/front", "T=runtime-web.2.task1 task1", "N=node1", "O={{",
            ])
        #expect(body.host.mounts[0].source == "data-2")
    }

    @Test func `a template that is not known is refused by its name`() {
        let error = #expect(throws: TaskTemplate.Failure.self) {
            try Self.body(#"{"ContainerSpec":{"Image":"i","Env":["A={{env \"HOME\"}}"]}}"#)
        }
        #expect(
            error?.description.hasSuffix(#""A={{env "HOME"}}": template: expansion:1: function "env" not defined"#)
                == true)
    }
}
