import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Filters of lists as people write them.
    @Suite(.serialized) struct Lists {
        @Test func `the command line's lists are filtered as Docker does`() async throws {
            let node = try await docker("node", "ls", "--format", "{{.Hostname}}").trimmed
            try await docker("node", "update", "--label-add", "zone=a", node)
            try await withNetwork("ls-net") {
                try await withService(
                    "ls-shop", "--network", "ls-net", "--label", "tier=front", "--replicas", "2", Images.test, "sleep",
                    "1000", replicas: 2
                ) { _ in
                    try await withService("ls-shopkeeper", "--mode", "global", Images.test, "sleep", "1000") { _ in
                        try await Self.checkServices()
                        try await Self.checkTasks(node)
                    }
                    let networks = ["network", "ls", "--format", "{{.Name}}"]
                    for (filter, names) in [
                        ("name=^ls-net$", ["ls-net"]), ("name=s-n", ["ls-net"]), ("name=^s-n", []),
                        ("scope=swarm", ["ingress", "ls-net"]), ("driver=host", ["host"]),
                        ("type=builtin", ["bridge", "host", "none"]),
                    ] {
                        let found = try await docker(networks + ["--filter", filter]).lines.sorted()
                        #expect(found == names, "network ls --filter \(filter)")
                    }
                    let id = try await docker("network", "inspect", "--format", "{{.ID}}", "ls-net").trimmed
                    let byID = try await docker(networks + ["--filter", "id=\(id.prefix(9))"])
                    #expect(byID.lines == ["ls-net"])
                    let dangling = try await docker(networks + ["--filter", "dangling=true"])
                    #expect(!dangling.lines.contains("ls-net"))
                }
            }
            for (filter, isFound) in [
                ("role=manager", true), ("role=worker", false), ("membership=accepted", true),
                ("node.label=zone=a", true), ("node.label=zone=b", false), ("name=\(node.prefix(3))", true),
            ] {
                let found = try await docker("node", "ls", "--format", "{{.Hostname}}", "--filter", filter)
                #expect(found.lines == (isFound ? [node] : []), "node ls --filter \(filter)")
            }
            try await docker("node", "update", "--label-rm", "zone", node)
            for words in [["service", "ls"], ["network", "ls"], ["node", "ls"]] {
                let said = try await docker.attempt(words + ["--filter", "bogus=1"])
                #expect(said.err.contains("Invalid filter 'bogus'"), "\(words): \(said.all)")
            }
        }

        private static func checkServices() async throws {
            for (filters, names) in [
                (["name=ls-shop"], ["ls-shop", "ls-shopkeeper"]), (["name=shop"], []),
                (["label=tier"], ["ls-shop"]), (["label=tier=back"], []), (["mode=global"], ["ls-shopkeeper"]),
                (["name=ls-shop", "mode=replicated"], ["ls-shop"]),
            ] {
                let words = ["service", "ls", "--format", "{{.Name}}"] + filters.flatMap { ["--filter", $0] }
                #expect(try await docker(words).lines.sorted() == names, "service ls \(filters)")
            }
        }

        private static func checkTasks(_ node: String) async throws {
            for (filter, count) in [
                ("name=ls-shop.1", 1), ("name=ls-shop", 2), ("desired-state=running", 2), ("desired-state=shutdown", 0),
                ("node=\(node)", 2), ("node=self", 2),
            ] {
                let found = try await docker("service", "ps", "--quiet", "--filter", filter, "ls-shop")
                #expect(found.lines.count == count, "service ps --filter \(filter)")
            }
            let ofNode = try await docker("node", "ps", "--format", "{{.Name}}", "--filter", "name=ls-shop.", "self")
            #expect(ofNode.lines.sorted() == ["ls-shop.1", "ls-shop.2"])
        }
    }
}
