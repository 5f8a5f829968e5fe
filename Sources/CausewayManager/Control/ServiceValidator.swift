import CausewayModel
import CausewayStore

/// Says no to specifications that cannot be carried out, before anything is written.
///
/// Status and words are Docker's where a client may know them. What Docker would do and Causeway does not is refused
/// with a sentence, never ignored.
package struct ServiceValidator: Sendable {
    private let view: StoreSnapshot

    package init(_ view: StoreSnapshot) { self.view = view }

    /// A new service's specification, complete: networks by identifier, defaults filled in.
    package func create(_ spec: Swarm.ServiceSpec) throws(SwarmError) -> Swarm.ServiceSpec {
        let spec = try completed(spec)
        try check(spec)
        try checkPorts(spec, of: nil)
        try PublishLabel.check(spec.labels, of: spec.endpointSpec?.ports ?? [])
        try ClassicValidator(view: view).check(spec)
        guard view.services.first(where: { $0.spec.name == spec.name && !$0.isPendingDelete }) == nil else {
            throw SwarmError(
                .conflict,
                "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service \(spec.name) "
                    + "already exists")
        }
        return spec
    }

    /// A changed specification of `service`, complete.
    package func update(_ service: Swarm.Service, to spec: Swarm.ServiceSpec) throws(SwarmError) -> Swarm.ServiceSpec {
        var spec = spec
        if spec.name.isEmpty { spec.name = service.spec.name }
        spec = try completed(spec)
        try check(spec)
        guard spec.name == service.spec.name else { throw Refusal.unimplemented("renaming services is not supported") }
        guard spec.mode.word == service.spec.mode.word else {
            throw Refusal.unimplemented("service mode change is not allowed")
        }
        try checkPorts(spec, of: service.id)
        // A label may name a port that was drawn for the service, as long as it keeps it.
        let kept = service.endpoint.ports.filter { drawn in
            (spec.endpointSpec?.ports ?? []).contains {
                ($0.publishedPort ?? 0) == 0 && $0.targetPort == drawn.targetPort && $0.protocol == drawn.protocol
            }
        }
        try PublishLabel.check(spec.labels, of: (spec.endpointSpec?.ports ?? []) + kept)
        try ClassicValidator(view: view).check(spec)
        return spec
    }

    // MARK: completion

    private func completed(_ spec: Swarm.ServiceSpec) throws(SwarmError) -> Swarm.ServiceSpec {
        var spec = spec
        spec.taskTemplate.networks = try identified(spec.taskTemplate.networks)
        spec.networks = try identified(spec.networks)
        spec.taskTemplate.forceUpdate = spec.taskTemplate.forceUpdate ?? 0
        spec.taskTemplate.runtime = spec.taskTemplate.runtime.flatMap { $0.isEmpty ? nil : $0 } ?? "container"
        let isolation = spec.taskTemplate.containerSpec?.isolation ?? ""
        spec.taskTemplate.containerSpec?.isolation = isolation.isEmpty ? "default" : isolation
        // Not to ask for any is one thing, however it is said.
        if spec.taskTemplate.containerSpec?.secrets?.isEmpty == true { spec.taskTemplate.containerSpec?.secrets = nil }
        if spec.taskTemplate.containerSpec?.configs?.isEmpty == true { spec.taskTemplate.containerSpec?.configs = nil }
        return spec
    }

    private func identified(
        _ networks: [Swarm.NetworkAttachmentConfig]?
    ) throws(SwarmError) -> [Swarm.NetworkAttachmentConfig]? {
        guard let networks else { return nil }
        var result: [Swarm.NetworkAttachmentConfig] = []
        for var attachment in networks {
            guard let network = self.network(attachment.target) else {
                throw Refusal.notFound("network", attachment.target)
            }
            guard !network.spec.isIngress else {
                throw Refusal.invalid(
                    "Service cannot be explicitly attached to the ingress network \"\(network.spec.name)\"")
            }
            // Docker's drivers act on these names; all others mean nothing to any of them, and are kept as they are.
            let acted = (attachment.driverOpts ?? [:]).keys.filter { $0.hasPrefix("com.docker.network.") }.sorted()
            guard acted.isEmpty else {
                throw Refusal.unsupported(
                    "driver option '\(acted.joined(separator: "', '"))' of network \(network.spec.name)",
                    "leave --network's driver-opt away")
            }
            if result.contains(where: { $0.target == network.id }) {
                throw Refusal.invalid("network \(network.spec.name) is given twice")
            }
            attachment.target = network.id
            for alias in attachment.aliases ?? [] { try Self.checkAlias(alias, of: network) }
            result.append(attachment)
        }
        return result
    }

    /// A network by identifier, name or the beginning of an identifier, in this order.
    private func network(_ reference: String) -> Swarm.Network? {
        if let network = view.networks[reference] { return network }
        if let network = view.networks.all.first(where: { $0.spec.name == reference }) { return network }
        let matches = view.networks.all.filter { !reference.isEmpty && $0.id.hasPrefix(reference) }
        return matches.count == 1 ? matches.first : nil
    }

    private static func checkAlias(_ alias: String, of network: Swarm.Network) throws(SwarmError) {
        let labels = alias.split(separator: ".", omittingEmptySubsequences: false)
        let isName =
            alias.utf8.count <= 253
            && labels.allSatisfy { label in
                !label.isEmpty && label.utf8.count <= 63
                    && label.utf8.allSatisfy { Names.isAlphanumeric($0) || $0 == 45 || $0 == 95 }
            }
        guard isName else {
            throw Refusal.invalid(
                "alias '\(alias)' on network \(network.spec.name) must be valid as a DNS name: letters, digits, '-' "
                    + "and '_', labels of 1 to 63 bytes")
        }
    }

    // MARK: checks

    /// More replicas than a /16 has addresses are a slip of the finger, and each would become a task at once.
    private static let mostReplicas: UInt64 = 65_536

    private func check(_ spec: Swarm.ServiceSpec) throws(SwarmError) {
        try Names.checkService(spec.name)
        switch spec.mode {
        case .replicated(let count) where count > Self.mostReplicas:
            throw Refusal.invalid("\(count) replicas are too many: a service may have \(Self.mostReplicas)")
        case .replicatedJob(let concurrent, let total) where max(concurrent, total) > Self.mostReplicas:
            throw Refusal.invalid("\(total) completions are too many: a job may have \(Self.mostReplicas)")
        case .replicatedJob, .globalJob:
            guard spec.updateConfig == nil else { throw Refusal.invalid("Jobs may not have an update config") }
        case .replicated, .global: break
        }
        guard spec.taskTemplate.runtime == "container", let container = spec.taskTemplate.containerSpec else {
            throw SwarmError(.invalid, "mismatched Runtime and *Spec fields")
        }
        try ContainerValidator.check(container)
        try DependencyValidator(view: view).check(container)
        try checkTemplates(container, of: spec)
        try TaskValidator.check(spec.taskTemplate)
        try TaskValidator.check(spec.updateConfig, "update")
        try TaskValidator.check(spec.rollbackConfig, "rollback")
    }

    /// Fills in the templates for a task that might be, so that what never could is refused now.
    private func checkTemplates(
        _ container: Swarm.ContainerSpec, of spec: Swarm.ServiceSpec
    ) throws(SwarmError) {
        let meta = Swarm.Meta(createdAt: .zero, updatedAt: .zero)
        let service = Swarm.Service(id: "serviceid", meta: meta, spec: spec)
        let task = Swarm.Task(id: "taskid", meta: meta, service: service, slot: 1, nodeID: "nodeid")
        do throws(TaskTemplate.Failure) {
            _ = try TaskTemplate(task: task, nodeHostname: "hostname").filled(container)
        } catch {
            throw Refusal.invalid(error.description)
        }
    }

    private func checkPorts(_ spec: Swarm.ServiceSpec, of id: Swarm.ID?) throws(SwarmError) {
        let ports = spec.endpointSpec?.ports ?? []
        guard !ports.isEmpty else { return }
        try PortValidator.check(ports, mode: spec.endpointSpec?.mode ?? .vip)
        try PortValidator.checkConflicts(
            ports, with: view.services.sorted.filter { $0.id != id && !$0.isPendingDelete })
        try PortValidator.checkConflicts(ports, with: view.containers.sorted.map(\.container))
    }
}
