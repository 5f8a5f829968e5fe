import CausewayModel
import CausewayStore

extension ManagementRound {
    /// Runs a job: it is not updated in steps, and what has completed stays as it is.
    func run(_ job: Swarm.JobStatus, _ id: Swarm.ID, _ store: inout StoreTransaction) throws(SwarmError) {
        guard let service = store.view.services[id] else { return }
        let iterations = JobIterations(current: job.iteration)
        func current() -> [Slot] { Slot.slots(of: store.view.tasks(of: id).filter(iterations.isCurrent)) }
        try apply(iterations.reconcile(store.view.tasks(of: id)), id, &store)
        let directives =
            switch service.spec.mode {
            case .replicated, .global: [TaskDirective]()
            case .replicatedJob(let concurrent, let total):
                ReplicatedJobOrchestrator().reconcile(current(), maxConcurrent: concurrent, totalCompletions: total)
            case .globalJob:
                GlobalJobOrchestrator().reconcile(
                    current(),
                    nodes: Self.eligibility(service, store.view).filter { node, _ in
                        // One that came later is for the next run.
                        (store.view.nodes[node]?.meta.createdAt ?? .zero) < job.lastExecution
                    })
            }
        try apply(directives, id, &store)
        try restart(current(), id, &store)
    }
}
