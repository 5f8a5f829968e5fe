import CausewayAgent
import CausewayMetrics

extension Agent {
    /// What the agent has done.
    func count(into page: inout Exposition) {
        page.counter("causeway_repairs_total", "Changes by others in the kernel that were put right.", repairs)
        let (revision, failures) = status()
        if let revision {
            page.gauge("causeway_assignment_revision", "The newest assignment's revision.", revision)
        }
        page.gauge("causeway_refused", "Namespaces in which the kernel refuses what is wanted.", failures.count)
    }
}
