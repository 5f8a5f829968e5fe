import Foundation

extension LabCluster {
    /// Kills the daemons of some nodes or all of them, every second time in an update, and starts them again.
    ///
    /// Afterwards the service's tasks run, as many as nodes, and no daemon would change anything.
    func die(
        _ number: Int, updating service: String, within limit: Duration = .seconds(90), _ chance: inout SeededGenerator
    ) async throws {
        let count = number % 3 == 0 ? nodes.count : Int.random(in: 1...nodes.count, using: &chance)
        let victims = Array(nodes.shuffled(using: &chance).prefix(count))
        if number % 2 == 0 { try await manager("service", "update", "--detach", "--quiet", "--force", service) }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...1500, using: &chance)))
        for node in victims { try await stopDaemon(node) }
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...1000, using: &chance)))
        for node in victims.shuffled(using: &chance) { try await startDaemon(node, waits: false) }
        for node in victims { try await waitForDaemon(node) }
        try await allReady()
        if number % 2 == 0 { try await updateIsOver(service, within: limit) }
        try await converged(service, nodes.count, within: limit)
        try await planIsEmptyEverywhere()
    }

    /// Waits until a service's update is through.
    nonisolated func updateIsOver(_ service: String, within limit: Duration = .seconds(90)) async throws {
        try await eventually("the update of \(service) to be over", within: limit) {
            let said = try await manager("service", "inspect", "--format", "{{.UpdateStatus.State}}", service)
            return said.trimmed == "completed" ? true : nil
        }
    }
}
