import CausewayModel

/// Checks what a specification says of resources, restarts, placement and updates.
enum TaskValidator {
    static func check(_ spec: Swarm.TaskSpec) throws(SwarmError) {
        for quantity in [spec.resources?.limits, spec.resources?.reservations].compactMap(\.self) {
            try check(quantity)
        }
        if let delay = spec.restartPolicy?.delay, delay < .zero {
            throw Refusal.invalid("TaskSpec: restart-delay cannot be negative")
        }
        if let window = spec.restartPolicy?.window, window < .zero {
            throw Refusal.invalid("TaskSpec: restart-window cannot be negative")
        }
        for constraint in spec.placement?.constraints ?? [] { _ = try Constraint(constraint) }
    }

    private static func check(_ quantity: Swarm.ResourceRequirements.Quantity) throws(SwarmError) {
        if let cpus = quantity.nanoCPUs, cpus != 0, cpus < 1_000_000 {
            throw Refusal.invalid("invalid cpu value \(text(cpus)): Must be at least 0.001")
        }
        if let bytes = quantity.memoryBytes, bytes != 0, bytes < 4 << 20 {
            throw Refusal.invalid("invalid memory value \(bytes): Must be at least 4MiB")
        }
        if let pids = quantity.pids, pids < -1 {
            throw Refusal.invalid("invalid pids limit \(pids): Must be -1, 0 (both: no limit) or more")
        }
        // One by name is taken, as in Docker, and fits no node.
        for resource in quantity.genericResources ?? []
        where resource.named == nil && (resource.discrete?.value ?? -1) < 0 {
            throw Refusal.invalid("invalid argument for resource \(resource.kind)")
        }
    }

    /// As Go prints it: without a fraction where there is none.
    private static func text(_ nanoCPUs: Int64) -> String {
        nanoCPUs.isMultiple(of: 1_000_000_000) ? "\(nanoCPUs / 1_000_000_000)" : "\(Double(nanoCPUs) / 1e9)"
    }

    static func check(_ config: Swarm.UpdateConfig?, _ name: String) throws(SwarmError) {
        guard let config else { return }
        if let delay = config.delay, delay < .zero {
            throw Refusal.invalid("TaskSpec: \(name)-delay cannot be negative")
        }
        if let monitor = config.monitor, monitor < .zero {
            throw Refusal.invalid("TaskSpec: \(name)-monitor cannot be negative")
        }
        if let ratio = config.maxFailureRatio, !(0...1).contains(ratio) {
            throw Refusal.invalid("TaskSpec: \(name)-maxfailureratio cannot be less than 0 or bigger than 1")
        }
        // A rollback that is to be rolled back is paused, as in Docker.
        guard ["", "pause", "continue", "rollback"].contains(config.failureAction ?? "") else {
            throw SwarmError(
                .invalid, "unrecognized update failure action \(config.failureAction ?? "")")
        }
        guard ["", "stop-first", "start-first"].contains(config.order ?? "") else {
            throw SwarmError(.invalid, "unrecognized update order \(config.order ?? "")")
        }
    }
}
