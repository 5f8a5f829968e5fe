import Foundation
import Testing

extension Acceptance.OnCluster {
    /// Where tasks may be, and what is said when they may be nowhere.
    @Suite(.serialized) struct Placement {
        private func node() async throws -> String {
            try await docker("info", "--format", "{{.Swarm.NodeID}}").trimmed
        }

        @Test func `a node that no longer fits loses the task, and gets it back when it fits again`() async throws {
            let node = try await node()
            try await docker("node", "update", "--label-add", "zone=moon", node)
            try await withService(
                "pl-moon", "--constraint", "node.labels.zone==moon", "--constraint", "node.role != worker",
                "--restart-delay", "100ms", Images.test
            ) { before in
                try await docker("node", "update", "--label-rm", "zone", node)

                let rejected = try await eventually("the task to be rejected") {
                    try await docker.tasks("pl-moon").first { $0.current.hasPrefix("Rejected") }
                }
                #expect(rejected.error.contains("assigned node no longer meets constraints"))
                #expect(rejected.desired == "Shutdown")
                let waiting = try await eventually("its replacement to wait") {
                    try await docker.tasks("pl-moon", running: true).first { $0.current.hasPrefix("Pending") }
                }
                #expect(waiting.error.contains("no suitable node (scheduling constraints not satisfied on 1 node)"))

                try await docker("node", "update", "--label-add", "zone=moon", node)
                let after = try await docker.converged("pl-moon", 1)
                #expect(after != before)
            }
            try await docker("node", "update", "--label-rm", "zone", node)
        }

        @Test func `preferences and reservations are shown as they were given`() async throws {
            try await withService(
                "pl-pref", "--placement-pref", "spread=node.labels.rack", "--placement-pref",
                "spread=engine.labels.disk", "--reserve-memory", "8m", "--reserve-cpu", "0.01", Images.test
            ) { _ in
                let shown = try await docker(
                    "service", "inspect", "--format",
                    "{{json .Spec.TaskTemplate.Placement.Preferences}} "
                        + "{{json .Spec.TaskTemplate.Resources.Reservations}}", "pl-pref")
                #expect(
                    shown.trimmed
                        == #"[{"Spread":{"SpreadDescriptor":"node.labels.rack"}},"#
                        + #"{"Spread":{"SpreadDescriptor":"engine.labels.disk"}}] "#
                        + #"{"NanoCPUs":10000000,"MemoryBytes":8388608}"#)
                try await docker(
                    "service", "update", "--quiet", "--placement-pref-rm", "spread=node.labels.rack", "pl-pref")
                let left = try await docker(
                    "service", "inspect", "--format", "{{len .Spec.TaskTemplate.Placement.Preferences}}", "pl-pref")
                #expect(left.trimmed == "1")
            }
        }

        @Test(arguments: [
            (["--generic-resource", "gpu=2"], "insufficient resources on 1 node"),
            (["--reserve-memory", "4000g"], "insufficient resources on 1 node"),
            (["--constraint", "node.platform.os==plan9"], "scheduling constraints not satisfied on 1 node"),
        ])
        func `a task that fits nowhere says why`(options: [String], why: String) async throws {
            try await docker(
                ["service", "create", "--detach", "--quiet", "--name", "pl-none"] + options + [Images.test])
            defer { cleanUpLater("pl-none") }

            let task = try await eventually("the reason") {
                try await docker.tasks("pl-none").first { !$0.error.isEmpty }
            }
            #expect(task.current.hasPrefix("Pending") && task.error.contains("no suitable node (\(why))"))
            try await docker("service", "rm", "pl-none")
        }

        @Test func `so many on a node and no more`() async throws {
            try await docker(
                "service", "create", "--detach", "--quiet", "--name", "pl-max", "--replicas", "3",
                "--replicas-max-per-node", "2", Images.test)
            defer { cleanUpLater("pl-max") }

            let task = try await eventually("the reason") {
                try await docker.tasks("pl-max").first { !$0.error.isEmpty }
            }
            #expect(task.error.contains("no suitable node (max replicas per node limit exceed)"))
            try await eventually("two to run") {
                try await docker.tasks("pl-max").count { $0.current.hasPrefix("Running") } == 2 ? true : nil
            }
            let listed = try await docker("service", "ls", "--filter", "name=pl-max", "--format", "{{.Replicas}}")
            #expect(listed.trimmed == "2/3 (max 2 per node)")
            try await docker("service", "rm", "pl-max")
        }
    }
}
