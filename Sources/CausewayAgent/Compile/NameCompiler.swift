import CausewayModel

/// Which names a task can resolve: from the same assignment as the data path, so that the two cannot disagree.
struct NameCompiler {
    let assignment: NodeAssignment
    let facts: NodeFacts

    /// A virtual address never changes, a task's may be gone in a moment.
    static let virtualTimeToLive: UInt32 = 60
    static let taskTimeToLive: UInt32 = 2

    func table(for place: TaskPlace) -> NameTable {
        var table = NameTable(upstreams: place.nameServers.isEmpty ? facts.nameServers : place.nameServers)
        for attachment in place.attachments where !attachment.network.spec.isIngress {
            table.ownSubnets += attachment.network.subnets.map(\.subnet.network)
            for (name, entry) in names(on: attachment.network) {
                // The first network, by name, decides what a bare name means; `name.network` says which.
                if table.names[name] == nil { table.names[name] = entry }
                table.names["\(name).\(attachment.network.spec.name.lowercased())"] = entry
            }
            table.reverse.merge(reverse(on: attachment.network)) { first, _ in first }
        }
        return table
    }

    private func names(on network: Swarm.Network) -> [String: NameTable.Entry] {
        var names: [String: NameTable.Entry] = [:]
        func add(_ name: String, _ addresses: [IPAddress], _ timeToLive: UInt32) {
            let key = name.lowercased()
            var entry = names[key] ?? NameTable.Entry(addresses: [], timeToLive: timeToLive)
            // Services that share an alias share its answer.
            entry.addresses += addresses.filter { !entry.addresses.contains($0) }
            names[key] = entry
        }
        for service in assignment.services where isAttached(service, to: network) {
            let tasks = taskAddresses(of: service, on: network)
            let virtual = service.virtualIPs.filter { $0.networkID == network.id }
                .flatMap { $0.addresses.map(\.address) }
            for name in [service.name] + (service.aliases[network.id] ?? []) {
                if service.mode == .vip {
                    add(name, virtual, Self.virtualTimeToLive)
                } else {
                    add(name, tasks.flatMap(\.addresses), Self.taskTimeToLive)
                }
                add("tasks.\(name)", tasks.flatMap(\.addresses), Self.taskTimeToLive)
            }
            for (backend, addresses) in tasks { add(backend.taskName, addresses, Self.taskTimeToLive) }
        }
        return names
    }

    private func reverse(on network: Swarm.Network) -> [IPAddress: String] {
        var reverse: [IPAddress: String] = [:]
        for service in assignment.services where isAttached(service, to: network) {
            for virtual in service.virtualIPs where virtual.networkID == network.id {
                for address in virtual.addresses { reverse[address.address] = "\(service.name).\(network.spec.name)" }
            }
            for (backend, addresses) in taskAddresses(of: service, on: network) {
                for address in addresses { reverse[address] = "\(backend.taskName).\(network.spec.name)" }
            }
        }
        return reverse
    }

    private func isAttached(_ service: ServiceEndpoint, to network: Swarm.Network) -> Bool {
        service.virtualIPs.contains { $0.networkID == network.id } || service.aliases[network.id] != nil
            || service.backends.contains { $0.networks.contains { $0.networkID == network.id } }
    }

    /// Of the tasks that take new connections.
    private func taskAddresses(
        of service: ServiceEndpoint, on network: Swarm.Network
    ) -> [(backend: ServiceEndpoint.Backend, addresses: [IPAddress])] {
        service.backends.filter(\.isActive).map { backend in
            (
                backend,
                backend.networks.filter { $0.networkID == network.id }.flatMap { $0.addresses.map(\.address) }
            )
        }
    }
}
