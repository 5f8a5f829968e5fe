import Foundation
import Testing

extension Acceptance.InLab {
    /// `docker service logs` and task logs: of all tasks, on whichever node they are.
    @Suite(.serialized, .nodes(3)) struct Logs {
        /// Counts up on one stream and the other, and says who it is.
        static let counter = """
            i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo "out $i"; echo "err $i" >&2; done; sleep 1000
            """

        @Test func `every task's lines come once, with its name and node, from every node`() async throws {
            try await lab.withService(
                "lg-all",
                options: [
                    "--log-driver", "json-file", "--log-opt", "labels=flavour", "--container-label", "flavour=sweet",
                ],
                command: [Images.test, "sh", "-c", Self.counter], replicas: 3
            ) { places in
                #expect(Set(places.map(\.node)) == ["n1", "n2", "n3"])
                let said = try await eventually("all lines") {
                    let said = try await lab.manager("service", "logs", "lg-all")
                    return said.lines.count + said.err.split(separator: "\n").count == 180 ? said : nil
                }
                for place in places {
                    // NAME.SLOT.ID@NODE, padded to the longest slot.
                    let own = said.lines.filter { $0.hasPrefix("\(place.name).\(place.id.prefix(12))@\(place.node) ") }
                    #expect(own.map { $0.components(separatedBy: "| ")[1] } == (1...30).map { "out \($0)" })
                }
                #expect(said.err.split(separator: "\n").allSatisfy { $0.contains("| err ") }, "\(said.err)")

                let tail = try await lab.manager("service", "logs", "--tail", "2", "lg-all")
                #expect(tail.lines.count + tail.err.split(separator: "\n").count == 6, "\(tail.all)")
                let raw = try await lab.manager("service", "logs", "--raw", "--tail", "1", "lg-all")
                #expect(Set(raw.all.split(separator: "\n")).isSubset(of: ["out 30", "err 30"]), "\(raw.all)")
                let unnamed = try await lab.manager("service", "logs", "--no-task-ids", "--no-resolve", "lg-all")
                let slots = Set(unnamed.lines.map { $0.split(separator: "@")[0] })
                #expect(slots.count == 3 && slots.allSatisfy { !$0.contains("lg-all") }, "\(slots)")
                let whole = try await lab.manager("service", "logs", "--no-trunc", "--tail", "1", "lg-all")
                #expect(places.allSatisfy { whole.all.contains("\($0.name).\($0.id)@\($0.node)") }, "\(whole.all)")
                let details = try await lab.manager("service", "logs", "--details", "--tail", "1", "lg-all")
                #expect(
                    details.all.split(separator: "\n").allSatisfy { $0.contains("flavour=sweet") }, "\(details.all)")
                for place in places {
                    let one = try await lab.manager("service", "logs", "--timestamps", "--tail", "1", place.id)
                    let line = try #require(one.all.split(separator: "\n").first)
                    #expect(line.contains("T") && line.contains(place.id.prefix(12)), "\(one.all)")
                }
                let none = try await lab.manager("service", "logs", "--since", "2099-01-01T00:00:00", "lg-all")
                #expect(none.all.isEmpty, "\(none.all)")
            }
        }

        @Test func `a log that is followed gets new tasks, and a node's return, with nothing lost or doubled`()
            async throws
        {
            let beat = "i=0; while true; do i=$((i+1)); echo beat $i; sleep 0.1; done"
            try await lab.withService("lg-follow", command: [Images.test, "sh", "-c", beat], replicas: 2) { places in
                let file = "\(LabCluster.folder)/lg-follow.log"
                let following = try Spawned(
                    ["docker", "service", "logs", "--follow", "--no-trunc", "lg-follow"],
                    environment: ["DOCKER_HOST": "unix://\(LabCluster.folder)/n1/docker.sock"], out: file, err: file)
                try await lab.manager("service", "scale", "--detach", "lg-follow=3")
                let all = try await lab.converged("lg-follow", 3)
                let far = try #require(all.first { $0.node == "n3" })
                try await eventually("lines of each task") { Self.beats(file).count == 3 ? true : nil }

                try await lab.stopDaemon("n3")
                let before = Self.beats(file)[far.id]?.count ?? 0
                try await lab.startDaemon("n3")
                try await eventually("lines of n3's task again") {
                    (Self.beats(file)[far.id]?.count ?? 0) > before + 20 ? true : nil
                }
                #expect(kill(following.id, 0) == 0)
                await following.stop()
                for (task, beats) in Self.beats(file) {
                    #expect(beats == Array(1...max(1, beats.count)), "\(task)")
                }
                #expect(Set(all.map(\.id)).isSuperset(of: places.map(\.id)))
            }
        }

        @Test func `a node that is away is said in the log, in Docker's words`() async throws {
            try await lab.withService(
                "lg-away", command: [Images.test, "sh", "-c", "echo here; sleep 1000"], replicas: 3
            ) { places in
                let far = try #require(places.first { $0.node == "n2" })
                let id = try await lab.manager("node", "inspect", "--format", "{{.ID}}", "n2").trimmed
                try await lab.stopDaemon("n2")
                let said = try await lab.manager.attempt("service", "logs", "lg-away")
                #expect(said.lines.count == 2 && !said.out.contains(far.id.prefix(12)), "\(said.all)")
                #expect(
                    said.err.contains(
                        "warning: incomplete log stream. some logs could not be retrieved for the following reasons: "
                            + "node \(id) is not available"), "\(said.err)")
                #expect(!said.succeeded)
                try await lab.startDaemon("n2")
                try await eventually("the log to be whole again") {
                    let said = try await lab.manager.attempt("service", "logs", "lg-away")
                    return said.succeeded && said.lines.count == 3 ? true : nil
                }
            }
        }

        @Test func `a terminal's log comes as it is`() async throws {
            try await lab.withService(
                "lg-tty", options: ["--tty"], command: [Images.test, "sh", "-c", "echo tty; sleep 1000"], replicas: 3
            ) { _ in
                let refused = try await lab.manager.attempt("service", "logs", "lg-tty")
                #expect(refused.err.contains("tty service logs only supported with --raw"), "\(refused.all)")
                try await eventually("three lines") {
                    try await lab.manager("service", "logs", "--raw", "lg-tty").out == "tty\r\ntty\r\ntty\r\n"
                        ? true : nil
                }
            }
        }

        /// The numbers that each task has said, by the task's identifier.
        private static func beats(_ file: String) -> [String: [Int]] {
            let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
            var beats: [String: [Int]] = [:]
            for line in text.split(separator: "\n") {
                let parts = line.components(separatedBy: "| beat ")
                guard parts.count == 2, let number = Int(parts[1]),
                    let id = parts[0].split(separator: "@").first?.split(separator: ".").last
                else { continue }
                beats[String(id), default: []].append(number)
            }
            return beats
        }
    }
}
