import CausewayKernel

/// How much of what others changed was put right, since the daemon's start.
package struct RepairCounters: Hashable, Codable, Sendable {
    /// Steps taken, by kind; never falls.
    package private(set) var byKind: [RepairKind: Int] = [:]
    /// Steps taken, by namespace that is still there: `host`, or the name that ip-netns(8) lists.
    package private(set) var byNamespace: [String: Int] = [:]
    /// How often repairs of a namespace were put off, because somebody undid the same one again and again.
    package private(set) var deferrals = 0

    package init() {}

    package var total: Int { byKind.values.reduce(0, +) }

    mutating func count(_ plan: Plan, in namespace: String) {
        for step in plan.steps { count(step.kind, in: namespace) }
    }

    mutating func count(_ kind: RepairKind, in namespace: String) {
        byKind[kind, default: 0] += 1
        byNamespace[namespace, default: 0] += 1
    }

    mutating func countDeferral() { deferrals += 1 }

    /// Forgets namespaces that are gone.
    mutating func keep(_ isThere: (String) -> Bool) { byNamespace = byNamespace.filter { isThere($0.key) } }
}
