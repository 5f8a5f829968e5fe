import Foundation
import Testing

extension Acceptance.InLab {
    /// `docker events` with what a swarm has to tell.
    @Suite(.serialized, .nodes(2)) struct Events {
        private struct Event: Decodable, CustomStringConvertible {
            struct Subject: Decodable {
                var attributes: [String: String]

                enum CodingKeys: String, CodingKey { case attributes = "Attributes" }
            }

            var kind: String
            var action: String
            var subject: Subject
            var scope: String
            var timeNano: Int64

            enum CodingKeys: String, CodingKey {
                case kind = "Type"
                case action = "Action"
                case subject = "Actor"
                case scope, timeNano
            }

            var name: String { subject.attributes["name"] ?? "" }
            var image: String { subject.attributes["image"] ?? "" }
            var description: String { "\(kind) \(action) \(subject.attributes)" }

            func says(_ attributes: [String: String]) -> Bool {
                attributes.allSatisfy { subject.attributes[$0.key] == $0.value }
            }
        }

        /// Those between two moments, as JSON.
        private static func events(_ since: Double, _ until: Double, _ filters: String...) async throws -> [Event] {
            let moments = ["--since", String(format: "%.6f", since), "--until", String(format: "%.6f", until)]
            let words = ["events", "--format", "json"] + moments + filters.flatMap { ["--filter", $0] }
            return try await lab.manager(words).lines.map {
                try JSONDecoder().decode(Event.self, from: Data($0.utf8))
            }
        }

        @Test func `services, nodes and networks say what changed, in order, and every filter chooses`() async throws {
            let since = Date().timeIntervalSince1970
            try await lab.withNetwork("ev-net") {
                try await lab.withService(
                    "ev-web", options: ["--network", "ev-net", "--update-monitor", "1s"],
                    command: [Images.test, "sleep", "1000"]
                ) { _ in
                    try await lab.manager("service", "scale", "--detach", "ev-web=2")
                    try await lab.converged("ev-web", 2)
                    for availability in ["pause", "active"] {
                        try await lab.manager("node", "update", "--availability", availability, "n2")
                    }
                    try await lab.manager("service", "update", "--detach", "--env-add", "a=b", "ev-web")
                    try await eventually("the update to be over") {
                        try await lab.manager("service", "inspect", "--format", "{{.UpdateStatus.State}}", "ev-web")
                            .trimmed == "completed" ? true : nil
                    }
                }
            }
            let until = Date().timeIntervalSince1970

            let all = try await Self.events(since, until)
            #expect(all.map(\.timeNano) == all.map(\.timeNano).sorted())
            let service = all.filter { $0.kind == "service" }
            #expect(service.first?.action == "create" && service.allSatisfy { $0.name == "ev-web" }, "\(service)")
            #expect(service.contains { $0.action == "update" && $0.says(["replicas.old": "1", "replicas.new": "2"]) })
            #expect(service.contains { $0.says(["updatestate.new": "updating"]) }, "\(service)")
            #expect(service.contains { $0.says(["updatestate.old": "updating", "updatestate.new": "completed"]) })
            #expect(service.last?.action == "remove", "\(service)")
            let network = all.filter { $0.kind == "network" && $0.scope == "swarm" }
            #expect(network.first?.action == "create" && network.last?.action == "remove", "\(network)")
            #expect(network.allSatisfy { $0.name == "ev-net" })
            let node = all.filter { $0.kind == "node" }
            #expect(
                node.contains { $0.says(["name": "n2", "availability.old": "active", "availability.new": "pause"]) })
            #expect(
                node.contains { $0.says(["name": "n2", "availability.old": "pause", "availability.new": "active"]) })

            let image = "\(Images.test):latest"
            let chosen: [(String, (Event) -> Bool)] = [
                ("type=node", { $0.kind == "node" }), ("scope=swarm", { $0.scope == "swarm" }),
                ("scope=local", { $0.scope == "local" }), ("node=n2", { $0.name == "n2" }),
                ("event=remove", { $0.action == "remove" }),
                ("label=replicas.new=2", { $0.says(["replicas.new": "2"]) }),
                ("network=ev-net", { $0.name == "ev-net" }),
                // As in Docker, the containers too, whose names begin so.
                ("service=ev-web", { $0.name.hasPrefix("ev-web") }),
                ("container=ev-web.1", { $0.name.hasPrefix("ev-web.1") }), ("image=\(image)", { $0.image == image }),
            ]
            for (filter, isChosen) in chosen {
                let expected = all.filter(isChosen)
                let found = try await Self.events(since, until, filter)
                #expect(found.map(\.timeNano) == expected.map(\.timeNano), "\(filter): \(found)")
                #expect(!found.isEmpty, "\(filter)")
            }
            let both = try await Self.events(since, until, "type=service", "type=network", "event=create")
            #expect(Set(both.map(\.name)) == ["ev-net", "ev-web"], "\(both)")
            let odd = try await lab.manager.attempt("events", "--until", "1", "--filter", "bogus=1")
            #expect(odd.err.contains("Invalid filter 'bogus'"), "\(odd.all)")
        }
    }
}
