import CausewayKernel
import CausewayModel
import Logging

/// Brings a whole node to its desired state, namespace by namespace.
///
/// The order is what makes a task complete before its first instruction: namespaces, then the host's links (which put
/// the tasks' ends into their namespaces), then the inside of each, those first whose links have their ends in others;
/// what is not wanted any more goes last.
package struct NodeReconciler: Sendable {
    /// What one round changed and what it could not.
    package struct Report: Sendable {
        package var changes: [(namespace: NamespaceReference, plan: Plan)] = []
        /// Namespaces that were not there; sorted.
        package var created: [String] = []
        package var errors: [(namespace: NamespaceReference, error: KernelError)] = []

        package var isConverged: Bool { errors.isEmpty }

        func error(of namespace: NamespaceReference) -> KernelError? {
            errors.first { $0.namespace == namespace }?.error
        }
    }

    /// What follows as soon as the host's own namespace has been told, before the others, which may take long.
    package typealias Following = @Sendable () async -> Void

    let node: any Node
    let logger: Logger
    /// What was desired before, where that is known: by it alone some of what is there is known to be ours.
    private var former: DesiredNode?

    package init(node: any Node, logger: Logger) {
        self.node = node
        self.logger = logger
    }

    /// Reads everything and makes it as desired.
    package func reconcile(to desired: DesiredNode, _ hostIsTold: Following = {}) async -> Report {
        var report = Report()
        // What we are about to change is written down before anything of ours is there.
        await recordSysctls(desired, &report)
        var looks: [NamespaceReference: KernelParts] = [.host: .all]
        for name in desired.namespaces.keys { looks[.task(name)] = .all }
        await repair(looks, to: desired, &report, hostIsTold)
        await deleteNamespaces(desired, &report)
        if report.isConverged { await restoreSysctls(desired, &report) }
        return report
    }

    /// Reads some parts of some namespaces and makes them as desired.
    package func repair(_ looks: [NamespaceReference: KernelParts], to desired: DesiredNode) async -> Report {
        var report = Report()
        await repair(looks, to: desired, &report)
        return report
    }

    private func repair(
        _ looks: [NamespaceReference: KernelParts], to desired: DesiredNode, _ report: inout Report,
        _ hostIsTold: Following = {}
    ) async {
        var looks = looks
        // A link whose namespace has lost its name would be taken for another's: names come first.
        if looks.values.contains(where: { $0.contains(.links) }) {
            await createNamespaces(desired, &report)
            for name in report.created { looks[.task(name)] = .all }
            for place in desired.owners(ofLinksInto: report.created) { looks[place, default: []].insert(.links) }
            if !report.created.isEmpty { looks[.host, default: []].insert(.links) }
        }
        if let parts = looks[.host] {
            // Rules are missed soonest, and others' firewalls are read by slow tools.
            for part in [parts.intersection(.tables), parts.subtracting(.tables)] where !part.isEmpty && parts != .all {
                await reconcile(.host, part, of: desired, &report)
            }
            if parts == .all { await reconcile(.host, parts, of: desired, &report) }
            await acceptForwarded(desired, &report)
            for name in report.namespacesOfNewLinks(since: 0) { looks[.task(name)] = .all }
            await hostIsTold()
        }
        for name in desired.namesInOrder {
            guard let parts = looks[.task(name)], report.error(of: .task(name)) == nil else { continue }
            let before = report.changes.count
            await reconcile(.task(name), parts, of: desired, &report)
            for name in report.namespacesOfNewLinks(since: before) { looks[.task(name)] = .all }
        }
    }

    /// Makes the step from one desired state to the next, without reading what should be there.
    ///
    /// The cost is that of the change. Anything refused asks for a full round.
    package func advance(
        from old: DesiredNode, to new: DesiredNode, _ hostIsTold: Following = {}
    ) async -> Report {
        var report = Report()
        // Dictionaries that share their storage are equal at once.
        let isSame = old.namespaces == new.namespaces
        let added = isSame ? [] : new.namespaces.keys.filter { old.namespaces[$0] == nil }
        if !added.isEmpty || new.host.sysctls != old.host.sysctls {
            return await after(old).reconcile(to: new, hostIsTold)
        }
        await advance(.host, Plan(from: old.host, to: new.host), of: new, &report)
        await acceptForwarded(new, &report)
        await hostIsTold()
        for name in isSame ? [] : new.namesInOrder {
            guard let state = new.namespaces[name], old.namespaces[name] != state else { continue }
            await advance(.task(name), Plan(from: old.namespaces[name] ?? KernelState(), to: state), of: new, &report)
        }
        if !report.isConverged { return await after(old).reconcile(to: new, hostIsTold) }
        if !isSame, old.namespaces.keys.contains(where: { new.namespaces[$0] == nil }) {
            await deleteNamespaces(new, &report)
        }
        return report
    }

    private func after(_ old: DesiredNode) -> NodeReconciler {
        var reconciler = self
        reconciler.former = old
        return reconciler
    }

    /// What would be changed now, for each namespace that differs.
    package func plan(to desired: DesiredNode) async throws(KernelError) -> [(namespace: String, plan: Plan)] {
        var plans: [(String, Plan)] = []
        let existing = try await node.namespaces()
        let host = try await Reconciler(kernel: node.kernel(.host, for: desired.host)).plan(to: desired.host)
        if !host.isEmpty { plans.append(("host", host)) }
        for name in desired.namesInOrder {
            guard let state = desired.namespaces[name] else { continue }
            let plan =
                existing.contains(name)
                ? try await Reconciler(kernel: node.kernel(.task(name), for: state)).plan(to: state)
                : Plan(from: KernelState(), to: state)
            if !plan.isEmpty { plans.append((name, plan)) }
        }
        return plans
    }

    // MARK: parts

    /// A classic network's rules make iptables' FORWARD where there was none: only then is there where to accept.
    private func acceptForwarded(_ desired: DesiredNode, _ report: inout Report) async {
        let isNew = report.changes.contains { $0.namespace == .host && $0.plan.steps.contains { $0.kind == .firewall } }
        if isNew { await reconcile(.host, .forward, of: desired, &report) }
    }

    private func reconcile(
        _ place: NamespaceReference, _ parts: KernelParts, of desired: DesiredNode, _ report: inout Report
    ) async {
        guard let state = desired[place] else { return }
        do throws(KernelError) {
            let reconciler = Reconciler(kernel: try await node.kernel(place, for: state.claiming(former?[place])))
            let outcome = await reconciler.reconcile(to: state, parts)
            guard case .refused(let error, let step?, let taken) = outcome,
                try await untangle(place, step, error, desired, &report)
            else { return note(place, outcome, &report) }
            if !taken.isEmpty { report.changes.append((place, taken)) }
            note(place, await reconciler.reconcile(to: state, parts), &report)
        } catch {
            report.errors.append((place, error))
        }
    }

    /// Removes a pair of links of which one end is not where it was made, or has another name: neither end can be made
    /// alone.
    ///
    /// Returns whether there was something to remove, so that the refused step may be tried again.
    private func untangle(
        _ place: NamespaceReference, _ step: Plan.Step, _ error: KernelError, _ desired: DesiredNode,
        _ report: inout Report
    ) async throws(KernelError) -> Bool {
        guard case .linkAdd(let link) = step else { return false }
        switch (place, link.kind) {
        case (_, .veth(let peer, let namespace)) where error.reason == .alreadyExists:
            let end = Rtnl.Link(name: peer, kind: .vethPeer)
            return try await remove(end, in: .task(namespace))
        case (.task(let namespace), .vethPeer):
            guard let (owner, end) = desired.owner(of: link.name, in: namespace),
                try await remove(end, in: owner)
            else { return false }
            await reconcile(owner, .links, of: desired, &report)
            return true
        default: return false
        }
    }

    /// Returns whether it was there.
    private func remove(_ link: Rtnl.Link, in place: NamespaceReference) async throws(KernelError) -> Bool {
        do throws(KernelError) {
            try await node.kernel(place).take(.linkDelete(link))
            return true
        } catch {
            guard error.reason == .notFound else { throw error }
            return false
        }
    }

    private func advance(
        _ place: NamespaceReference, _ plan: Plan, of desired: DesiredNode, _ report: inout Report
    ) async {
        guard !plan.isEmpty else { return }
        do throws(KernelError) {
            let kernel = try await node.kernel(place, for: desired[place] ?? KernelState())
            note(place, await Reconciler(kernel: kernel).take(plan), &report)
        } catch {
            report.errors.append((place, error))
        }
    }

    private func note(_ place: NamespaceReference, _ outcome: Reconciler.Outcome, _ report: inout Report) {
        switch outcome {
        case .converged: break
        case .changed(let plan): report.changes.append((place, plan))
        case .refused(let error, _, let taken):
            if !taken.isEmpty { report.changes.append((place, taken)) }
            report.errors.append((place, error))
        }
    }

    private func createNamespaces(_ desired: DesiredNode, _ report: inout Report) async {
        do throws(KernelError) {
            let existing = Set(try await node.namespaces())
            for name in desired.namespaces.keys.sorted() where !existing.contains(name) {
                do throws(KernelError) {
                    try await node.createNamespace(name)
                    report.created.append(name)
                } catch {
                    report.errors.append((.task(name), error))
                }
            }
        } catch {
            report.errors.append((.host, error))
        }
    }

    private func deleteNamespaces(_ desired: DesiredNode, _ report: inout Report) async {
        do throws(KernelError) {
            for name in try await node.namespaces() where desired.namespaces[name] == nil {
                logger.info("deleting namespace", metadata: ["namespace": "\(name)"])
                try await node.deleteNamespace(name)
            }
        } catch {
            report.errors.append((.host, error))
        }
    }

    private func recordSysctls(_ desired: DesiredNode, _ report: inout Report) async {
        do throws(KernelError) {
            try await node.recordSysctls(desired.host.sysctls.keys.sorted())
        } catch {
            report.errors.append((.host, error))
        }
    }

    private func restoreSysctls(_ desired: DesiredNode, _ report: inout Report) async {
        guard desired.host.sysctls.isEmpty else { return }
        do throws(KernelError) {
            try await node.restoreSysctls()
        } catch {
            report.errors.append((.host, error))
        }
    }
}

extension NodeReconciler.Report {
    /// The namespaces into which links were put: all that is on them has to be made there.
    fileprivate func namespacesOfNewLinks(since first: Int) -> [String] {
        changes[first...].flatMap(\.plan.steps).compactMap { step in
            if case .linkAdd(let link) = step, case .veth(_, let name) = link.kind { name } else { nil }
        }
    }
}

extension KernelState {
    /// The state with iptables named that an earlier one wanted: beside others' rules nothing else says that they are ours.
    fileprivate func claiming(_ former: KernelState?) -> KernelState {
        guard firewall.isEmpty, let former else { return self }
        var state = self
        state.firewall = former.firewall
        return state
    }
}
