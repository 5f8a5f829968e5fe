import CausewayModel
import CausewayStore

extension SwarmManager {
    /// Services that are being removed are not among them.
    package func services() async throws(SwarmError) -> [Swarm.Service] {
        let services = try view().services
        // Mostly there is none: then nothing is copied twice.
        guard services.first(where: \.isPendingDelete) != nil else { return services.sorted }
        return services.sorted.filter { !$0.isPendingDelete }
    }

    package func service(_ idOrName: String) async throws(SwarmError) -> Swarm.Service? {
        let services = try view().services
        if let service = services[idOrName], !service.isPendingDelete { return service }
        return services.first { $0.spec.name == idOrName && !$0.isPendingDelete }
    }

    package func tasks() async throws(SwarmError) -> [Swarm.Task] { try view().tasks.sorted }

    package func createService(
        _ spec: Swarm.ServiceSpec, credentials: Swarm.PullCredentials? = nil
    ) async throws(SwarmError) -> Swarm.Service {
        let id = environment.newID()
        try await checkHolders(of: spec)
        try await checkScopes(of: spec)
        try refuseWhileLeaving()
        return try await write { transaction throws(SwarmError) in
            var spec = spec
            if spec.name.isEmpty { spec.name = "service-\(id.prefix(10))" }
            let complete = try ServiceValidator(transaction.view).create(spec)
            let meta = Swarm.Meta(createdAt: transaction.now, updatedAt: transaction.now)
            var service = Swarm.Service(id: id, meta: meta, spec: complete)
            service.specVersion = transaction.version
            service.pullCredentials = credentials
            try transaction.create(service)
            return try Self.service(id, transaction.view)
        }
    }

    package func updateService(
        _ id: Swarm.ID, _ spec: Swarm.ServiceSpec, version: Swarm.Version, rollback: Bool,
        credentials: Swarm.CredentialsChange = .keep
    ) async throws(SwarmError) -> Swarm.Service {
        if !rollback {
            try await checkHolders(of: spec)
            try await checkScopes(of: spec)
        }
        try refuseWhileLeaving()
        return try await write { transaction throws(SwarmError) in
            var service = try Self.service(id, transaction.view)
            guard service.meta.version == version else { throw .outOfSequence }
            let validator = ServiceValidator(transaction.view)
            var wanted = spec
            if rollback {
                guard let previous = service.previousSpec else {
                    throw Refusal.precondition("service \(id) does not have a previous spec")
                }
                wanted = previous
            }
            let complete = try validator.update(service, to: wanted)
            let chosen = try Self.credentials(of: service, rollback ? .previous : credentials)
            service.previousPullCredentials = service.pullCredentials
            service.pullCredentials = chosen
            service.previousSpec = service.spec
            service.spec = complete
            service.specVersion = transaction.version
            service.updateStatus = nil
            if let job = service.jobStatus {
                // A job is not updated in steps: it is run again.
                service.jobStatus = .init(
                    iteration: .init(job.iteration.index + 1), lastExecution: transaction.now)
            } else if rollback {
                service.updateStatus = Swarm.UpdateStatus(
                    state: "rollback_started", startedAt: transaction.now, message: "manually requested rollback")
            }
            try transaction.update(service)
            return try Self.service(id, transaction.view)
        }
    }

    private static func credentials(
        of service: Swarm.Service, _ change: Swarm.CredentialsChange
    ) throws(SwarmError) -> Swarm.PullCredentials? {
        switch change {
        case .set(let credentials): return credentials
        case .keep: return service.pullCredentials
        case .previous:
            guard service.previousSpec != nil else {
                throw SwarmError(.invalid, "service does not have a previous spec")
            }
            return service.previousPullCredentials
        }
    }

    /// The service is gone for every client at once; it leaves the store when its last task has ended.
    package func removeService(_ id: Swarm.ID) async throws(SwarmError) {
        try await write { transaction throws(SwarmError) in
            var service = try Self.service(id, transaction.view)
            service.isPendingDelete = true
            try transaction.update(service)
        }
    }

    private static func service(_ id: Swarm.ID, _ view: StoreSnapshot) throws(SwarmError) -> Swarm.Service {
        guard let service = view.services[id], !service.isPendingDelete else { throw Refusal.notFound("service", id) }
        return service
    }
}

extension SwarmManager {
    /// A port that a process of the host listens on cannot be published: one of the two would never hear a packet.
    ///
    /// Ports that services publish already are ours, and are left to the validator.
    private func checkHolders(of spec: Swarm.ServiceSpec) async throws(SwarmError) {
        guard spec.endpointSpec?.ports?.isEmpty == false else { return }
        let own = Set(
            store.snapshot().services.sorted.flatMap(\.endpoint.ports).map {
                PortKey($0.protocol, $0.publishedPort ?? 0)
            }
                + store.snapshot().containers.all.flatMap(\.container.ports).map {
                    PortKey($0.protocol, $0.publishedPort)
                })
        for port in spec.endpointSpec?.ports ?? [] {
            guard let number = port.publishedPort, number > 0, !own.contains(PortKey(port.protocol, number)),
                let holder = await environment.portHolder(port.protocol, number)
            else { continue }
            throw SwarmError(
                .invalid,
                "rpc error: code = InvalidArgument desc = port '\(number)' is already in use on this node by "
                    + "\(holder): stop it, or publish another port")
        }
    }

    /// A port can be bound only to what this host has.
    private func checkScopes(of spec: Swarm.ServiceSpec) async throws(SwarmError) {
        guard spec.labels.keys.contains(where: PublishLabel.isOne), let links = await environment.links() else {
            return
        }
        try PublishLabel.check(spec.labels, against: links)
    }

    private struct PortKey: Hashable {
        let `protocol`: Swarm.TransportProtocol
        let number: UInt16

        init(_ protocol: Swarm.TransportProtocol, _ number: UInt16) {
            self.protocol = `protocol`
            self.number = number
        }
    }
}
