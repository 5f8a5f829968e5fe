import CausewayModel

/// What the update of one service remembers between rounds.
///
/// Losing it (a restart) loses counts, not the update.
package struct UpdateProgress: Hashable, Sendable {
    /// The specification that is being brought in.
    package var specVersion: Swarm.Version
    /// How many slots had to be replaced when it began.
    package var dirtyAtStart: Int
    /// The tasks that the update made, with the moment at which each was first seen running.
    package var replacements: [Swarm.ID: Timestamp?] = [:]
    package var failures: Set<Swarm.ID> = []

    package init(specVersion: Swarm.Version, dirtyAtStart: Int) {
        self.specVersion = specVersion
        self.dirtyAtStart = dirtyAtStart
    }
}

/// Replaces the tasks of a service that are not as its specification wants them, a few at a time.
///
/// `stop-first` stops the old task and makes the new one in the same moment (wanted `ready`; the gate lets it start
/// once the old one has stopped); `start-first` stops the old one once the new one runs.
package struct UpdateSupervisor: Sendable {
    /// What the update wants done in this round.
    package struct Decision: Hashable, Sendable {
        package var directives: [TaskDirective] = []
        /// The service's new update status; `nil`: as it is.
        package var status: Swarm.UpdateStatus?
        /// Put the previous specification back and begin again with it.
        package var rollsBack = false
        package var progress: UpdateProgress?
        /// When to look again at the latest.
        package var next: Timestamp?
    }

    private let service: Swarm.Service
    private let config: Swarm.UpdateConfig
    private let isRollback: Bool
    private let now: Timestamp

    package init(_ service: Swarm.Service, at now: Timestamp) {
        self.service = service
        self.now = now
        isRollback = service.updateStatus?.state?.hasPrefix("rollback") == true
        config = (isRollback ? service.spec.rollbackConfig : service.spec.updateConfig) ?? Swarm.UpdateConfig()
    }

    /// What is to be done now about `slots`, those that the orchestrator keeps and may change.
    package func reconcile(
        _ slots: [Slot], progress before: UpdateProgress?, isDirty: (Swarm.Task) -> Bool
    ) -> Decision {
        var decision = Decision()
        let state = service.updateStatus?.state
        decision.progress = before?.specVersion == service.specVersion ? before : nil
        if state == "paused" || state == "rollback_paused" { return decision }
        let dirty = slots.filter { Self.isDirty($0, isDirty) }
        let isUnderWay = state == "updating" || state == "rollback_started"
        guard isUnderWay || !dirty.isEmpty else { return decision }
        if !isUnderWay {
            decision.status = Swarm.UpdateStatus(state: "updating", startedAt: now, message: "update in progress")
        }
        var progress = decision.progress ?? recalled(slots, dirty: dirty.count, isDirty)
        observe(slots, &progress)
        if act(on: progress, slots, &decision) { return decision }
        advance(slots, dirty, &progress, &decision, isDirty)
        decision.progress = progress
        if dirty.isEmpty { finish(slots, progress, &decision) }
        return decision
    }

    /// How long a replacement is watched; 0 means the default, as in Docker.
    private var monitor: Nanoseconds { config.monitor.flatMap { $0 > .zero ? $0 : nil } ?? .seconds(5) }

    // MARK: what is

    /// A slot is dirty when what stands for it is not clean, or when old and new stand side by side.
    private static func isDirty(_ slot: Slot, _ isDirty: (Swarm.Task) -> Bool) -> Bool {
        let wanted = slot.wanted
        if wanted.isEmpty { return slot.isFilled && slot.newest.map(isDirty) == true }
        return wanted.contains(where: isDirty)
    }

    /// What the tasks themselves tell of an update that an earlier process began.
    private func recalled(_ slots: [Slot], dirty: Int, _ isDirty: (Swarm.Task) -> Bool) -> UpdateProgress {
        var progress = UpdateProgress(specVersion: service.specVersion, dirtyAtStart: dirty)
        guard let start = service.updateStatus?.startedAt else { return progress }
        for slot in slots {
            for task in slot.wanted where task.meta.createdAt >= start && !isDirty(task) && slot.tasks.count > 1 {
                progress.replacements[task.id] = .some(nil)
                progress.dirtyAtStart += 1
            }
        }
        return progress
    }

    private func observe(_ slots: [Slot], _ progress: inout UpdateProgress) {
        for task in slots.flatMap(\.tasks) {
            guard let began = progress.replacements[task.id] else { continue }
            let state = task.status.state
            if state == .running, began == nil { progress.replacements[task.id] = task.status.timestamp }
            guard [.complete, .failed, .rejected].contains(state) || task.isFailing else { continue }
            if let began, task.status.timestamp.since(began) > monitor { continue }
            progress.failures.insert(task.id)
        }
    }

    /// The replacements that are not yet done with: not seen running, and still wanted.
    private func busy(_ slots: [Slot], _ progress: UpdateProgress) -> Set<SlotKey> {
        Set(
            slots.filter { slot in
                slot.wanted.contains { progress.replacements[$0.id] != nil && $0.status.state < .running }
            }.map(\.key))
    }

    // MARK: what to do

    /// Acts on too many failures.
    ///
    /// Returns whether the update ends here.
    private func act(on progress: UpdateProgress, _ slots: [Slot], _ decision: inout Decision) -> Bool {
        let ratio = Double(progress.failures.count) / Double(max(1, progress.dirtyAtStart))
        guard let failed = progress.failures.max(), ratio > config.maxFailureRatio ?? 0 else { return false }
        let started = service.updateStatus?.startedAt ?? now
        let cause = "due to failure or early termination of task \(failed)"
        switch config.failureAction ?? "pause" {
        case "continue":
            return false
        case "rollback" where !isRollback && service.previousSpec != nil:
            decision.rollsBack = true
            decision.progress = nil
            decision.status = Swarm.UpdateStatus(
                state: "rollback_started", startedAt: now, message: "update rolled back \(cause)")
        default:
            decision.progress = progress
            decision.status = Swarm.UpdateStatus(
                state: isRollback ? "rollback_paused" : "paused", startedAt: started,
                message: "\(isRollback ? "rollback" : "update") paused \(cause)")
        }
        return true
    }

    /// The status of an update that wanted to be rolled back, and cannot be.
    package static func pausedForGood(
        _ rollback: Swarm.UpdateStatus?, since before: Swarm.UpdateStatus?, _ obstacle: SwarmError
    ) -> Swarm.UpdateStatus {
        let failure = (rollback?.message ?? "").replacing(
            "update rolled back", with: "update paused", maxReplacements: 1)
        return Swarm.UpdateStatus(
            state: "paused", startedAt: before?.startedAt ?? rollback?.startedAt,
            message: "\(failure); it cannot be rolled back: \(obstacle.message)")
    }

    private func advance(
        _ slots: [Slot], _ dirty: [Slot], _ progress: inout UpdateProgress, _ decision: inout Decision,
        _ isDirty: (Swarm.Task) -> Bool
    ) {
        let busy = busy(slots, progress)
        for slot in dirty {
            // What is not needed any more goes at once, and that takes no worker: all old tasks once the new one
            // runs, and until then all but one.
            let old = slot.wanted.filter(isDirty)
            let isReplaced = slot.wanted.contains { !isDirty($0) && $0.status.state == .running }
            let last = isReplaced ? nil : (old.last { $0.status.state == .running } ?? old.last)
            decision.directives += old.filter { $0.id != last?.id }.map { .setDesired($0.id, .shutdown) }
        }
        let resting = rest(progress, &decision)
        let waiting = dirty.filter { slot in !busy.contains(slot.key) && !slot.wanted.contains { !isDirty($0) } }
        let workers = Int(clamping: config.parallelism ?? 1)
        let free = workers == 0 ? waiting.count : max(0, workers - busy.count - resting)
        for slot in waiting.prefix(free) {
            if config.order != "start-first" {
                decision.directives += slot.wanted.map { .setDesired($0.id, .shutdown) }
            }
            decision.directives.append(.create(slot.key, desired: .ready))
        }
    }

    /// How many workers wait out the delay after their last replacement.
    private func rest(_ progress: UpdateProgress, _ decision: inout Decision) -> Int {
        guard let delay = config.delay, delay > .zero else { return 0 }
        let ends = progress.replacements.values.compactMap { $0?.advanced(by: delay) }.filter { $0 > now }
        decision.next = ends.min()
        return ends.count
    }

    /// Ends the update once all is replaced and the last replacement was watched long enough.
    private func finish(_ slots: [Slot], _ progress: UpdateProgress, _ decision: inout Decision) {
        guard busy(slots, progress).isEmpty else { return }
        if config.failureAction != "continue", let last = progress.replacements.values.compactMap(\.self).max() {
            let end = last.advanced(by: monitor)
            guard end <= now else {
                decision.next = min(decision.next ?? end, end)
                return
            }
        }
        decision.progress = nil
        decision.status = Swarm.UpdateStatus(
            state: isRollback ? "rollback_completed" : "completed",
            startedAt: service.updateStatus?.startedAt ?? now, completedAt: now,
            message: isRollback ? "rollback completed" : "update completed")
    }
}
