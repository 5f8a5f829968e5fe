import CausewayModel

/// The names on one network, from the same endpoints as the data path, so that the two cannot disagree.
///
/// Made once for all tasks on the network, and changed at the price of the change.
struct NameZone: Sendable {
    /// A virtual address never changes, a task's may be gone in a moment.
    static let virtualTimeToLive: UInt32 = 60
    static let taskTimeToLive: UInt32 = 2

    /// Names and addresses whose entries may be others than before.
    struct Touched {
        var names: Set<String> = []
        var addresses: Set<IPAddress> = []
    }

    /// What a service is on this network; of a name that several networks know the best is taken.
    enum Standing: Int, Comparable {
        /// Nobody takes connections.
        case idle
        /// It is, but the service is about to leave the network.
        case leaving
        case served

        static func < (a: Standing, b: Standing) -> Bool { a.rawValue < b.rawValue }
    }

    let network: Swarm.Network
    private(set) var names: [String: NameTable.Entry] = [:]
    private(set) var reverse: [IPAddress: String] = [:]
    /// The services that have a name, sorted: those that share an alias share its answer.
    private var owners: [String: [Swarm.ID]] = [:]
    private var standings: [Swarm.ID: Standing] = [:]

    init(_ network: Swarm.Network) { self.network = network }

    /// What stands behind a name is qualified by it.
    var suffix: String { ".\(network.spec.name.lowercased())" }

    /// Takes a service's names out and puts its new ones in.
    ///
    /// `endpoint` gives a service of the new state, for names that several share.
    mutating func replace(
        _ old: ServiceEndpoint?, by new: ServiceEndpoint?, endpoint: (Swarm.ID) -> ServiceEndpoint?
    ) -> Touched {
        let (before, after) = (old.map(entries) ?? [:], new.map(entries) ?? [:])
        var touched = Touched()
        for (name, entry) in before where after[name] != entry { touched.names.insert(name) }
        for (name, entry) in after where before[name] != entry { touched.names.insert(name) }
        if old.map(standing) != new.map(standing) { touched.names.formUnion(Set(before.keys).union(after.keys)) }
        if let old { standings[old.id] = nil }
        if let new, !after.isEmpty { standings[new.id] = standing(new) }
        for name in touched.names {
            var all = owners[name] ?? []
            all.removeAll { $0 == old?.id || $0 == new?.id }
            if let new, after[name] != nil { all.insert(new.id, at: all.firstIndex { $0 > new.id } ?? all.count) }
            owners[name] = all.isEmpty ? nil : all
            names[name] = entry(name, of: all, new: new, after[name], endpoint)
        }
        replaceReverse(old.map(pointers) ?? [:], by: new.map(pointers) ?? [:], &touched)
        return touched
    }

    func standing(of name: String) -> Standing {
        (owners[name] ?? []).compactMap { standings[$0] }.max() ?? .idle
    }

    private func standing(_ service: ServiceEndpoint) -> Standing {
        let isServed = service.backends.contains { backend in
            backend.isActive && backend.networks.contains { $0.networkID == network.id }
        }
        guard isServed else { return .idle }
        return service.aliases[network.id] == nil ? .leaving : .served
    }

    private func entry(
        _ name: String, of owners: [Swarm.ID], new: ServiceEndpoint?, _ own: NameTable.Entry?,
        _ endpoint: (Swarm.ID) -> ServiceEndpoint?
    ) -> NameTable.Entry? {
        let all = owners.compactMap { id in id == new?.id ? own : endpoint(id).flatMap { entries(of: $0)[name] } }
        return all.dropFirst().reduce(all.first) { $0?.merging($1) }
    }

    private mutating func replaceReverse(
        _ before: [IPAddress: String], by after: [IPAddress: String], _ touched: inout Touched
    ) {
        for (address, name) in before where after[address] != name {
            reverse[address] = nil
            touched.addresses.insert(address)
        }
        for (address, name) in after where before[address] != name {
            reverse[address] = name
            touched.addresses.insert(address)
        }
    }

    // MARK: of one service

    private func entries(of service: ServiceEndpoint) -> [String: NameTable.Entry] {
        guard isAttached(service) else { return [:] }
        var names: [String: NameTable.Entry] = [:]
        func add(_ name: String, _ addresses: [IPAddress], _ timeToLive: UInt32) {
            let entry = NameTable.Entry(addresses: addresses, timeToLive: timeToLive)
            let known = names[name.lowercased()] ?? NameTable.Entry(addresses: [], timeToLive: timeToLive)
            names[name.lowercased()] = known.merging(entry)
        }
        let all = taskAddresses(of: service, where: \.isActive).flatMap(\.addresses)
        let virtual = service.virtualIPs.filter { $0.networkID == network.id }
            .flatMap { $0.addresses.map(\.address) }
        for name in [service.name] + (service.aliases[network.id] ?? []) {
            if service.mode == .vip {
                add(name, virtual, Self.virtualTimeToLive)
            } else {
                add(name, all, Self.taskTimeToLive)
            }
            add("tasks.\(name)", all, Self.taskTimeToLive)
        }
        for (backend, addresses) in taskAddresses(of: service, where: Self.isNamed) {
            add(backend.taskName, addresses, Self.taskTimeToLive)
        }
        return names
    }

    private func pointers(of service: ServiceEndpoint) -> [IPAddress: String] {
        guard isAttached(service) else { return [:] }
        var reverse: [IPAddress: String] = [:]
        for virtual in service.virtualIPs where virtual.networkID == network.id {
            for address in virtual.addresses { reverse[address.address] = "\(service.name).\(network.spec.name)" }
        }
        for (backend, addresses) in taskAddresses(of: service, where: Self.isNamed) {
            for address in addresses { reverse[address] = "\(backend.taskName).\(network.spec.name)" }
        }
        return reverse
    }

    private func isAttached(_ service: ServiceEndpoint) -> Bool {
        service.virtualIPs.contains { $0.networkID == network.id } || service.aliases[network.id] != nil
            || service.backends.contains { $0.networks.contains { $0.networkID == network.id } }
    }

    /// A task whose node does not answer is one that lives elsewhere, for all we know.
    private static func isNamed(_ backend: ServiceEndpoint.Backend) -> Bool { backend.isActive || backend.isAvoided }

    private func taskAddresses(
        of service: ServiceEndpoint, where isWanted: (ServiceEndpoint.Backend) -> Bool
    ) -> [(backend: ServiceEndpoint.Backend, addresses: [IPAddress])] {
        service.backends.filter(isWanted).map { backend in
            (
                backend,
                backend.networks.filter { $0.networkID == network.id }.flatMap { $0.addresses.map(\.address) }
            )
        }
    }
}

extension NameTable.Entry {
    /// With another's addresses behind its own, each once.
    fileprivate func merging(_ other: NameTable.Entry) -> NameTable.Entry {
        var entry = self
        entry.addresses += other.addresses.filter { !addresses.contains($0) }
        return entry
    }
}
