import CausewayAgent
import CausewayKernel
import CausewayMetrics

extension Agent {
    /// What the agent has done.
    func count(into page: inout Exposition) {
        page.counter(
            "causeway_repairs_total", "Changes by others in the kernel that were put right, by what was changed.",
            repairs.byKind.map { .init(["kind": $0.key.rawValue], Double($0.value)) })
        page.counter(
            "causeway_repair_deferrals_total", "Repairs that were put off because somebody undid them again and again.",
            repairs.deferrals)
        let (revision, failures) = status()
        if let revision {
            page.gauge("causeway_assignment_revision", "The newest assignment's revision.", revision)
        }
        page.gauge("causeway_refused", "Namespaces in which the kernel refuses what is wanted.", failures.count)
    }
}
