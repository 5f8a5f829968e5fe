import CausewayModel
import Logging

extension TaskSupervisor {
    /// Carries out what a round found.
    ///
    /// Ends in any case, and the task is free for the next round then.
    func carryOut(_ job: Job) async {
        switch job {
        case .advance(let id):
            await advance(id)
            finish(id)
        case .clear(let container):
            finish(container.taskID, wakes: await clear(container))
        }
    }

    /// Takes one step of a task after another, until there is nothing to do for it at once.
    private func advance(_ id: Swarm.ID) async {
        while let action = settle(id), let record = records[id] {
            do throws(ContainerError) {
                let container = try await perform(action, for: record.task)
                records[id]?.container = container
                records[id]?.failures = 0
                records[id]?.retryAt = nil
            } catch {
                guard weather(error, of: action, id) else { return }
            }
        }
    }

    /// Returns the container as it is afterwards.
    private func perform(
        _ action: TaskDecision.Action, for task: Swarm.Task
    ) async throws(ContainerError) -> ObservedContainer? {
        switch action {
        case .prepare:
            let used = Set((task.spec.containerSpec?.dependencies ?? []).map(\.id))
            let dependencies = dependencies.filter { used.contains($0.id) }
            let id = try await preparing.through { () throws(ContainerError) in
                try await self.runtime.prepare(task, with: dependencies)
            }
            return ObservedContainer(id: id, taskID: task.id, nodeID: nodeID, state: .created)
        case .start(let id):
            try await starting.through { () throws(ContainerError) in
                try await self.runtime.start(id, namespacePath: try await self.namespace(of: task))
            }
            // It joins the balancer when it runs; what it publishes should be there by then.
            await network.listening(task)
            return try await runtime.inspect(id)
        case .stop(let id):
            logger.info("stopping task \(task.name)")
            try await runtime.stop(id, grace: task.spec.containerSpec?.stopGracePeriod)
            return try await runtime.inspect(id)
        }
    }

    private func namespace(of task: Swarm.Task) async throws(ContainerError) -> String {
        do {
            return try await network.ready(task)
        } catch is CancellationError {
            throw ContainerError(.unavailable, "the network of \(task.name) was given up")
        } catch {
            throw ContainerError(.refused, "network: \(error)")
        }
    }

    /// Decides what an error means for the task; returns whether the task goes on at once.
    private func weather(_ error: ContainerError, of action: TaskDecision.Action, _ id: Swarm.ID) -> Bool {
        guard let record = records[id], !Task.isCancelled else { return false }
        switch error.reason {
        case .notFound:
            records[id]?.container = nil
            return true
        case .refused:
            if let status = TaskDecision.refusal(
                of: action, because: error.message, status: record.status, now: now())
            {
                raise(id, to: status)
                return true
            }
        case .unavailable: break
        }
        let wait = Nanoseconds.seconds(1 << min(record.failures, 5))
        records[id]?.failures += 1
        records[id]?.retryAt = now().advanced(by: wait)
        logger.warning("task \(record.task.name) has to wait: \(error)")
        return false
    }

    /// Ends and removes the container of a task that is not assigned any more; returns whether it is gone.
    private func clear(_ container: ObservedContainer) async -> Bool {
        do throws(ContainerError) {
            if container.state == .running { try await runtime.stop(container.id, grace: nil) }
            try await removing.through { () throws(ContainerError) in
                try await self.runtime.remove(container, force: true)
            }
            logger.info("removed container \(container.id.prefix(12)) of task \(container.taskID)")
            return true
        } catch {
            guard error.reason != .notFound, !Task.isCancelled else { return true }
            logger.warning("cannot remove container \(container.id.prefix(12)), will try again: \(error)")
            return false
        }
    }

    /// Removes every container of this node's tasks at once, without their grace: the node leaves its swarm.
    ///
    /// No task is assigned afterwards. Throws when some cannot be removed, and names them.
    package func removeAll() async throws(ContainerError) {
        update([], [])
        var failures: [String] = []
        // A container may be in the making while we remove; what is made late is seen by the next look.
        for _ in 0..<20 {
            let containers = try await runtime.observe().filter { $0.nodeID == nodeID }
            if containers.isEmpty && busy.isEmpty { return }
            failures = await removeNow(containers)
            if busy.isEmpty && failures.isEmpty { continue }
            do { try await Task.sleep(for: .milliseconds(100)) } catch { break }
        }
        let names = failures.isEmpty ? "" : ": \(failures.joined(separator: "; "))"
        let left = try await runtime.observe().filter { $0.nodeID == nodeID }
        guard !left.isEmpty else { return }
        throw ContainerError(.refused, "cannot remove \(left.count) containers of this node's tasks\(names)")
    }

    /// Returns what went wrong, in words.
    private func removeNow(_ containers: [ObservedContainer]) async -> [String] {
        await withTaskGroup(of: String?.self) { group in
            for container in containers {
                group.addTask {
                    do throws(ContainerError) {
                        try await self.removing.through { () throws(ContainerError) in
                            try await self.runtime.remove(container, force: true)
                        }
                        return nil
                    } catch {
                        return error.reason == .notFound ? nil : "\(error)"
                    }
                }
            }
            var failures: [String] = []
            for await case let failure? in group { failures.append(failure) }
            return failures
        }
    }
}
