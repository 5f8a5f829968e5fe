import CausewayKernel
import CausewayModel
import Logging

extension Agent {
    /// Looks where somebody may have changed something, and puts it right.
    func look(at arrived: Inbox.Content, _ deferral: AsyncStream<Deferral>.Continuation) async {
        guard let applied else { return }
        let looks = due(among: wanted(arrived, applied), deferral)
        guard !looks.isEmpty else { return }
        var report = await reconciler.repair(looks, to: applied)
        count(report)
        if !report.isConverged {
            // Somebody was not done yet: what is there now is another thing than what was seen.
            let again = Dictionary(report.errors.map { ($0.namespace, KernelParts.all) }) { first, _ in first }
            report = await reconciler.repair(again, to: applied)
            count(report)
        }
        for (place, error) in report.errors {
            // The slow round tries again, and says that it worked.
            failures[place] = error
            logger.error("cannot repair", metadata: ["namespace": "\(place)", "error": "\(error)"])
        }
    }

    private func wanted(_ arrived: Inbox.Content, _ applied: DesiredNode) -> [NamespaceReference: KernelParts] {
        var looks = arrived.looks
        if !arrived.everywhere.isEmpty {
            looks[.host, default: []].formUnion(arrived.everywhere)
            for name in applied.namespaces.keys { looks[.task(name), default: []].formUnion(arrived.everywhere) }
        }
        for place in looks.keys {
            if let parts = deferred.removeValue(forKey: place) { looks[place, default: []].formUnion(parts) }
        }
        return looks.reduce(into: [:]) { all, look in
            guard let state = applied[look.key] else { return }
            // Others' iptables are never still: they are looked at where something in them is ours.
            let parts = look.value.subtracting(state.partsWithoutAny)
            if !parts.isEmpty || look.value.isEmpty { all[look.key] = parts }
        }
    }

    /// The looks that may be now; the others come back when their time has come.
    private func due(
        among looks: [NamespaceReference: KernelParts], _ deferral: AsyncStream<Deferral>.Continuation
    ) -> [NamespaceReference: KernelParts] {
        let now = ContinuousClock.now
        return looks.filter { place, parts in
            let delay = damping.delay(place, at: now)
            guard delay > .zero else { return true }
            if deferred.updateValue(deferred[place, default: []].union(parts), forKey: place) == nil {
                deferral.yield(Deferral(place: place, delay: delay))
            }
            return false
        }
    }

    /// Counts repairs, and says what they were.
    func count(_ report: NodeReconciler.Report) {
        for name in report.created {
            repairs.count(.namespace, in: name)
            logger.warning("a namespace had lost its name", metadata: ["namespace": "\(name)"])
        }
        for (place, plan) in report.changes {
            repairs.count(plan, in: "\(place)")
            logger.warning(
                "repaired what somebody else changed",
                metadata: [
                    "namespace": "\(place)", "plan": "\(plan)",
                    "kinds": "\(Set(plan.steps.map(\.kind)).sorted().map(\.rawValue).joined(separator: ","))",
                ])
            guard damping.note("\(plan)", place, at: .now) else { continue }
            repairs.countDeferral()
            logger.warning(
                "somebody undoes this repair again and again: further ones wait up to a second",
                metadata: ["namespace": "\(place)"])
        }
    }

    /// Forgets what is known of namespaces that are not wanted any more.
    func forgetRepairs(besides desired: DesiredNode) {
        repairs.keep { $0 == "host" || desired.namespaces[$0] != nil }
        damping.forget { desired[$0] != nil }
        deferred = deferred.filter { desired[$0.key] != nil }
    }
}

extension KernelState {
    /// Of the parts that most namespaces have nothing of, those that this one has nothing of.
    fileprivate var partsWithoutAny: KernelParts {
        var parts: KernelParts = []
        if balancers.isEmpty { parts.insert(.balancers) }
        if firewall.isEmpty { parts.insert(.firewall) }
        return parts
    }
}

/// A look that has to wait.
struct Deferral: Sendable {
    var place: NamespaceReference
    var delay: Duration

    /// Wakes the agent when the time of each has come.
    static func keep(_ deferrals: AsyncStream<Deferral>, for inbox: Inbox) async {
        await withDiscardingTaskGroup { group in
            for await deferral in deferrals {
                group.addTask {
                    guard await Task.pause(for: deferral.delay) else { return }
                    inbox.put(NodeChange(deferral.place, []))
                }
            }
        }
    }
}
