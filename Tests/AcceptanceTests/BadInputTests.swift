import Foundation
import Testing

extension Acceptance.OnCluster {
    /// What cannot be is refused with Docker's own status and a sentence that helps, and nothing is half done.
    @Suite(.serialized) struct BadInput {
        /// A request that has to be refused.
        struct Case: Sendable, CustomTestStringConvertible {
            var name: String
            var method = "POST"
            var path: String
            var body: String?
            var status: Int
            /// Words that the message has to have.
            var says: [String]

            var testDescription: String { name }
        }

        @Test(arguments: cases)
        func `is refused and changes nothing`(_ bad: Case) async throws {
            let before = try await everything()

            let said = try await docker.raw(bad.method, bad.path, body: bad.body)

            #expect(said.status == bad.status, "\(said.body)")
            let message = try #require(said.message, "the body has no message: \(said.body)")
            for word in bad.says { #expect(message.lowercased().contains(word.lowercased()), "\(message)") }
            #expect(try await everything() == before)
        }

        @Test func `an oversized body is refused before it is read`() async throws {
            let said = try await docker.raw(
                "POST", "/v1.41/services/create", body: String(repeating: " ", count: 20 << 20))
            #expect(said.status == 413 || said.status == 400, "\(said)")
        }

        @Test func `a stale version is refused, and the fresh one is not`() async throws {
            try await withService("bi-stale", Images.test) { _ in
                let found = try await docker.raw("GET", "/v1.41/services/bi-stale")
                let object = try #require(
                    try JSONSerialization.jsonObject(with: Data(found.body.utf8)) as? [String: Any])
                let version = try #require((object["Version"] as? [String: Any])?["Index"] as? Int)
                let spec = try JSONSerialization.data(withJSONObject: try #require(object["Spec"]))
                let body = String(decoding: spec, as: UTF8.self)

                let stale = try await docker.raw(
                    "POST", "/v1.41/services/bi-stale/update?version=\(version - 1)", body: body)
                #expect(stale.status == 500)
                #expect(stale.message?.hasSuffix("update out of sequence") == true, "\(stale)")
                let none = try await docker.raw("POST", "/v1.41/services/bi-stale/update", body: body)
                #expect(none.status == 400)
                #expect(none.message?.contains("invalid service version") == true, "\(none)")
            }
        }

        @Test func `a name or a port that is taken is refused, and names who has it`() async throws {
            try await withService("bi-taken", "--publish", "8095:80", Images.test) { _ in
                let name = try await docker.attempt("service", "create", "--detach", "--name", "bi-taken", Images.test)
                #expect(name.err.contains("name conflicts with an existing object: service bi-taken already exists"))

                let port = try await docker.attempt(
                    "service", "create", "--detach", "--name", "bi-other", "--publish", "8095:80", Images.test)
                #expect(port.err.contains("port '8095' is already in use by service 'bi-taken'"))
                #expect(try await docker.attempt("service", "inspect", "bi-other").status != 0)
            }
        }

        @Test func `a port that a process of the host has is not taken from it`() async throws {
            let program = try await whoamiProgram()
            let holder = try Spawned([program, "8096"], out: "/dev/null", err: "/dev/null")
            defer { holder.signal(SIGKILL) }
            try await eventually("the port to be taken") {
                try await shell("ss", "-Hltn", "sport = :8096").trimmed.isEmpty ? nil : true
            }

            let said = try await docker.attempt(
                "service", "create", "--detach", "--name", "bi-held", "--publish", "8096:80", Images.test)
            defer { cleanUpLater("bi-held") }
            if said.succeeded {
                // Found only when the node tries: then the task says so.
                try await eventually("somebody to say that the port is held") {
                    try await docker.tasks("bi-held").contains { $0.error.contains("8096") } ? true : nil
                }
            } else {
                #expect(said.err.contains("8096"))
            }
        }

        @Test func `a network in use is kept, and the one that uses it is named`() async throws {
            try await withNetwork("bi-used") {
                try await withService("bi-user", "--network", "bi-used", Images.test) { _ in
                    let id = try await docker("service", "inspect", "--format", "{{.ID}}", "bi-user").trimmed
                    let said = try await docker.attempt("network", "rm", "bi-used")
                    #expect(said.err.contains("is in use by service \(id)"))
                }
            }
        }

        @Test func `a classic network is refused where the kernel has no IPVS, and by that name`() async throws {
            let before = try await everything()

            let said = try await docker.attempt(
                "network", "create", "--driver", "overlay", "--opt", "causeway.datapath=classic", "bi-classic")

            // The trial has had the module loaded, if there is one.
            guard !FileManager.default.fileExists(atPath: "/proc/net/ip_vs") else {
                #expect(said.succeeded, "\(said.err)")
                _ = try await docker("network", "rm", "bi-classic")
                return
            }
            #expect(said.status != 0)
            for words in ["network bi-classic", "this kernel has no IPVS", "data path direct needs none of it"] {
                #expect(said.err.contains(words), "\(said.err)")
            }
            #expect(try await everything() == before)
        }

        @Test func `a subnet that overlaps one of ours or a route of the host is refused`() async throws {
            try await withNetwork("bi-first", "--subnet", "10.99.0.0/16") {
                let ours = try await docker.attempt(
                    "network", "create", "--driver", "overlay", "--subnet", "10.99.5.0/24", "bi-second")
                #expect(ours.status != 0)
                #expect(ours.err.lowercased().contains("overlap"), "\(ours.err)")
                let host = try await docker.attempt(
                    "network", "create", "--driver", "overlay", "--subnet", "198.51.100.128/25", "bi-host")
                #expect(host.status != 0)
                #expect(host.err.contains("198.51.100.0/24"), "\(host.err)")
            }
        }

        @Test func `exhausted addresses are an error that the service shows, with how many are used`() async throws {
            // A /29 has eight addresses; network, broadcast, gateway and the virtual address leave four.
            try await withNetwork("bi-small", "--subnet", "10.98.0.0/29") {
                try await withService("bi-many", "--network", "bi-small", "--replicas", "4", Images.test, replicas: 4) {
                    _ in
                    try await docker("service", "scale", "--detach", "bi-many=5")
                    let waiting = try await eventually("a task that says why it waits") {
                        try await docker.tasks("bi-many").first { !$0.error.isEmpty }
                    }
                    #expect(waiting.error.contains("bi-small") || waiting.error.contains("10.98.0.0/29"), "\(waiting)")
                    // Given back, it is given again.
                    try await docker("service", "scale", "--detach", "bi-many=4")
                    try await docker.converged("bi-many", 4)
                }
            }
        }

        @Test func `leaving needs --force, and a second init says that there is a swarm`() async throws {
            let leave = try await docker.attempt("swarm", "leave")
            #expect(
                leave.err.contains("You are attempting to leave the swarm on a node that is participating as a manager")
            )
            let initialise = try await docker.attempt("swarm", "init", "--advertise-addr", Machine.address)
            #expect(initialise.err.contains("This node is already part of a swarm"))
        }

        /// What a refused request must leave as it was.
        private func everything() async throws -> [String] {
            var all: [String] = []
            for path in [
                "/v1.41/services", "/v1.41/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D", "/v1.41/tasks",
            ] {
                all.append(try await docker.raw("GET", path).body)
            }
            return all
        }

        // MARK: the table

        static func service(_ name: String, _ more: String = "", image: String = "causeway-test") -> String {
            #"{"Name":"\#(name)","TaskTemplate":{"ContainerSpec":{"Image":"\#(image)"}}\#(more)}"#
        }

        static func port(_ published: String, target: String = "80", mode: String = "ingress") -> String {
            #","EndpointSpec":{"Ports":[{"Protocol":"tcp","TargetPort":\#(target),"PublishedPort":\#(published),"#
                + #""PublishMode":"\#(mode)"}]}"#
        }

        static func network(_ name: String, subnet: String? = nil, more: String = "") -> String {
            let config = subnet.map { #"{"Subnet":"\#($0)"}"# } ?? ""
            return #"{"Name":"\#(name)","Driver":"overlay","IPAM":{"Config":[\#(config)]}\#(more)}"#
        }

        static let create = "/v1.41/services/create"
        static let networks = "/v1.41/networks/create"

        static let cases: [Case] = serviceCases + unsupportedCases + networkCases + wireCases

        static let serviceCases: [Case] = [
            Case(
                name: "no image", path: create, body: #"{"Name":"x","TaskTemplate":{"ContainerSpec":{}}}"#, status: 400,
                says: ["image reference must be provided"]),
            Case(name: "no container", path: create, body: #"{"Name":"x","TaskTemplate":{}}"#, status: 400, says: []),
            Case(name: "name malformed", path: create, body: service("-bad-"), status: 400, says: ["name"]),
            Case(name: "name with a slash", path: create, body: service("a/b"), status: 400, says: ["name"]),
            Case(
                name: "name too long", path: create, body: service(String(repeating: "a", count: 64)), status: 400,
                says: ["63"]),
            Case(
                name: "image malformed", path: create, body: service("x", image: "UPPER CASE"), status: 400,
                says: ["UPPER CASE"]),
            Case(
                name: "unknown network", path: create, body: service("x", #","Networks":[{"Target":"nowhere"}]"#),
                status: 404, says: ["network nowhere not found"]),
            Case(
                name: "published port out of range", path: create, body: service("x", port("65536")), status: 400,
                says: []),
            Case(name: "negative port", path: create, body: service("x", port("-1")), status: 400, says: []),
            Case(
                name: "target port zero", path: create, body: service("x", port("8097", target: "0")), status: 400,
                says: []),
            Case(
                name: "port published twice", path: create,
                body: service(
                    "x",
                    #","EndpointSpec":{"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8097},"#
                        + #"{"Protocol":"tcp","TargetPort":81,"PublishedPort":8097}]}"#), status: 400,
                says: ["duplicate published ports"]),
            Case(
                name: "dnsrr with an ingress port", path: create,
                body: service(
                    "x",
                    #","EndpointSpec":{"Mode":"dnsrr","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8097}]}"#
                ),
                status: 400, says: ["port published with ingress mode can't be used with dnsrr mode"]),
            Case(
                name: "unknown publish mode", path: create, body: service("x", port("8097", mode: "sideways")),
                status: 400,
                says: ["sideways"]),
            Case(
                name: "two modes", path: create,
                body: service("x", #","Mode":{"Replicated":{"Replicas":1},"Global":{}}"#),
                status: 400, says: []),
            Case(
                name: "bad constraint", path: create,
                body:
                    #"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"causeway-test"},"Placement":{"Constraints":["node.role"]}}}"#,
                status: 500, says: ["constraint expected one operator from ==, !="]),
            Case(
                name: "unknown restart condition", path: create,
                body:
                    #"{"Name":"x","TaskTemplate":{"ContainerSpec":{"Image":"causeway-test"},"RestartPolicy":{"Condition":"sometimes"}}}"#,
                status: 400, says: ["sometimes"]),
            Case(
                name: "unknown service", method: "DELETE", path: "/v1.41/services/nobody", status: 404,
                says: ["service nobody not found"]),
            Case(
                name: "unknown task", method: "GET", path: "/v1.41/tasks/nobody", status: 404,
                says: ["task nobody not found"]),
        ]

        /// Fields that Docker acts on and Causeway does not yet.
        static let unsupportedCases: [Case] = [
            Case(
                name: "a secret's driver", path: "/v1.41/secrets/create",
                body: #"{"Name":"x","Driver":{"Name":"vault"}}"#, status: 501, says: ["Driver"])
        ]

        static let networkCases: [Case] = [
            Case(
                name: "subnet malformed", path: networks, body: network("x", subnet: "10.1.2.3.4/8"), status: 400,
                says: ["10.1.2.3.4/8"]),
            Case(
                name: "subnet with host bits", path: networks, body: network("x", subnet: "10.1.2.3/24"), status: 400,
                says: ["10.1.2.3/24"]),
            Case(
                name: "prefix too long", path: networks, body: network("x", subnet: "10.97.0.0/33"), status: 400,
                says: ["10.97.0.0/33"]),
            Case(
                name: "subnet of loopback", path: networks, body: network("x", subnet: "127.0.0.0/8"), status: 400,
                says: ["127.0.0.0/8"]),
            Case(name: "no network name", path: networks, body: network(""), status: 400, says: ["name"]),
            Case(
                name: "network name taken", path: networks, body: network("ingress"), status: 409,
                says: ["network with name ingress already exists"]),
            Case(
                name: "gateway outside its subnet", path: networks,
                body:
                    #"{"Name":"x","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.97.0.0/24","Gateway":"10.96.0.1"}]}}"#,
                status: 400, says: ["10.96.0.1"]),
            Case(
                name: "encrypted", path: networks, body: network("x", more: #","Options":{"encrypted":""}"#),
                status: 501,
                says: ["encrypted"]),
            Case(
                name: "unknown network", method: "DELETE", path: "/v1.41/networks/nowhere", status: 404,
                says: ["network nowhere not found"]),
        ]

        static let wireCases: [Case] = [
            Case(name: "malformed JSON", path: create, body: #"{"Name":"#, status: 400, says: []),
            Case(name: "a list for an object", path: create, body: "[]", status: 400, says: []),
            Case(
                name: "text for a number", path: create,
                body: service("x", #","Mode":{"Replicated":{"Replicas":"many"}}"#), status: 400, says: []),
            Case(
                name: "a fraction for a count", path: create,
                body: service("x", #","Mode":{"Replicated":{"Replicas":1.5}}"#), status: 400, says: []),
            Case(
                name: "a version too new", method: "GET", path: "/v1.99/services", status: 400,
                says: ["client version 1.99 is too new", "1.50"]),
            Case(
                name: "a version too old", method: "GET", path: "/v1.10/services", status: 400,
                says: ["client version 1.10 is too old", "1.24"]),
            Case(
                name: "an unknown route of ours", method: "GET", path: "/v1.41/services/a/b/c", status: 404,
                says: ["page not found"]),
            Case(name: "filters malformed", method: "GET", path: "/v1.41/services?filters=%7B", status: 400, says: []),
            Case(
                name: "an unknown filter", method: "GET",
                path: "/v1.41/services?filters=%7B%22bogus%22%3A%5B%22x%22%5D%7D", status: 400, says: ["bogus"]),
        ]
    }
}
