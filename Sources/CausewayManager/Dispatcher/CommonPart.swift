import CausewayModel
import CausewayStore

/// What all nodes of the cluster have to know alike.
///
/// Arrays that do not change stay the very same, so that whoever compares two assignments sees at a glance what is new.
struct CommonPart: Sendable {
    /// A node as others see it.
    struct Member: Hashable, Sendable {
        var number: Int
        var hostname: String
        var dataAddress: IPAddress
    }

    private(set) var networks: [Swarm.Network] = []
    /// Sorted by identifier.
    private(set) var services: [ServiceEndpoint] = []
    private(set) var places: [PlacedAddresses] = []
    private(set) var members: [Swarm.ID: Member] = [:]
    /// For each node the others, sorted by number.
    private(set) var peers: [Swarm.ID: [Peer]] = [:]
    /// Absent while the cluster has one node.
    private(set) var tunnel: Tunnel?
    /// Sorted by identifier.
    private(set) var balancers: [BalancerAddress] = []
    /// The revision that last changed any of it.
    private(set) var changed: UInt64 = 0

    private var revision: UInt64?
    private var known: [Swarm.ID: ServicePart] = [:]
    private var knownContainers: [Swarm.ID: ContainerPart] = [:]

    mutating func update(_ view: StoreSnapshot) {
        guard revision != view.revision else { return }
        let isFirst = revision == nil
        revision = view.revision
        var news = News()
        updateServices(view, &news)
        updateContainers(view, &news)
        services.change(without: news.endpoints.left, with: news.endpoints.came)
        places.change(without: news.places.left, with: news.places.came)
        let networks = view.networks.all.sorted { $0.id < $1.id }
        let changesNetworks = networks != self.networks
        if changesNetworks { self.networks = networks }
        let changesMembers = updateMembers(view)
        let changesBalancers = updateBalancers(view)
        if isFirst || changesNetworks || changesMembers || changesBalancers || !news.isEmpty {
            changed = view.revision
        }
    }

    // MARK: nodes

    /// Nodes that are silent are peers too: unreachable is not gone.
    private mutating func updateMembers(_ view: StoreSnapshot) -> Bool {
        var members: [Swarm.ID: Member] = [:]
        for node in view.nodes.all where node.hasLeft != true {
            members[node.id] = Member(
                number: node.number, hostname: node.description.hostname,
                dataAddress: node.dataAddress ?? node.address)
        }
        let tunnel = members.count < 2 ? nil : view.cluster?.tunnel
        guard members != self.members || tunnel != self.tunnel else { return false }
        (self.members, self.tunnel) = (members, tunnel)
        let all = members.map {
            Peer(id: $0.key, hostname: $0.value.hostname, number: $0.value.number, dataAddress: $0.value.dataAddress)
        }
        .sorted { $0.number < $1.number }
        peers = members.mapValues { own in all.filter { $0.number != own.number } }
        return true
    }

    /// - Returns: whether they have changed.
    private mutating func updateBalancers(_ view: StoreSnapshot) -> Bool {
        let balancers = view.nodes.all.flatMap { node in
            (node.balancers ?? []).flatMap { attachment in
                attachment.addresses.map {
                    BalancerAddress(networkID: attachment.networkID, nodeID: node.id, address: $0)
                }
            }
        }.sorted { $0.id < $1.id }
        guard balancers != self.balancers else { return false }
        self.balancers = balancers
        return true
    }

    // MARK: services and their tasks

    /// What is to be changed in the arrays.
    private struct News {
        struct Part<Element> {
            var left: [Element] = []
            var came: [Element] = []

            var isEmpty: Bool { left.isEmpty && came.isEmpty }
        }

        var endpoints = Part<ServiceEndpoint>()
        var places = Part<PlacedAddresses>()

        var isEmpty: Bool { endpoints.isEmpty && places.isEmpty }

        mutating func replace(_ old: ServiceEndpoint?, by new: ServiceEndpoint?) {
            guard old != new else { return }
            if let old { endpoints.left.append(old) }
            if let new { endpoints.came.append(new) }
        }

        mutating func replace(_ old: [PlacedAddresses], by new: [PlacedAddresses]) {
            guard old != new else { return }
            let (old, new) = (Set(old), Set(new))
            places.left += old.subtracting(new)
            places.came += new.subtracting(old)
        }
    }

    private struct ServicePart: Sendable {
        /// `nil` for a service that is being removed.
        var endpoint: ServiceEndpoint?
        var places: [PlacedAddresses] = []
        /// The store's revision that had last touched the service.
        var touched: UInt64
    }

    private mutating func updateServices(_ view: StoreSnapshot, _ news: inout News) {
        for id in view.services.ids {
            let touched = view.lastTouched(id)
            guard known[id]?.touched != touched, let service = view.services[id] else { continue }
            update(id, service.isPendingDelete ? nil : service, view, touched, &news)
        }
        var strays = Set<Swarm.ID>()
        for id in view.servicesWithTasks where view.services[id] == nil {
            strays.insert(id)
            update(id, nil, view, view.revision, &news)
        }
        guard known.count > view.services.count + strays.count else { return }
        for (id, part) in known where view.services[id] == nil && !strays.contains(id) {
            known[id] = nil
            news.replace(part.places, by: [])
            news.replace(part.endpoint, by: nil)
        }
    }

    private mutating func update(
        _ id: Swarm.ID, _ service: Swarm.Service?, _ view: StoreSnapshot, _ touched: UInt64, _ news: inout News
    ) {
        var part = known[id] ?? ServicePart(touched: touched)
        let tasks = view.tasks(of: id)
        let endpoint = service.map { Self.endpoint($0, tasks) }
        news.replace(part.endpoint, by: endpoint)
        part.endpoint = endpoint
        let places = tasks.compactMap(\.place)
        news.replace(part.places, by: places)
        part.places = places
        part.touched = touched
        known[id] = part
    }

    private static func endpoint(_ service: Swarm.Service, _ tasks: [Swarm.Task]) -> ServiceEndpoint {
        var aliases: [Swarm.ID: [String]] = [:]
        for attachment in service.spec.attachments {
            aliases[attachment.target, default: []] += attachment.aliases ?? []
        }
        return ServiceEndpoint(
            id: service.id, name: service.spec.name, mode: service.endpoint.mode,
            virtualIPs: service.endpoint.virtualIPs, ports: service.endpoint.ports, aliases: aliases,
            scopes: PublishLabel.scopes(service.spec.labels, of: service.endpoint.ports),
            backends: tasks.compactMap(\.backend).sorted { $0.taskID < $1.taskID })
    }

    // MARK: containers of users

    private struct ContainerPart: Sendable {
        var version: Swarm.Version
        var ingress: Swarm.ID?
        var endpoint: ServiceEndpoint?
        var places: [PlacedAddresses]
    }

    private mutating func updateContainers(_ view: StoreSnapshot, _ news: inout News) {
        guard !view.containers.isEmpty || !knownContainers.isEmpty else { return }
        let ingress = view.ingress?.id
        var gone = Set(knownContainers.keys)
        for stored in view.containers.all {
            gone.remove(stored.id)
            let before = knownContainers[stored.id]
            guard before == nil || before?.version != stored.meta.version || before?.ingress != ingress else {
                continue
            }
            let endpoint = ContainerEndpoint.make(stored.container, ingress: ingress)
            news.replace(before?.endpoint, by: endpoint)
            let places = [stored.container.place]
            news.replace(before?.places ?? [], by: places)
            knownContainers[stored.id] = ContainerPart(
                version: stored.meta.version, ingress: ingress, endpoint: endpoint, places: places)
        }
        for id in gone {
            guard let part = knownContainers.removeValue(forKey: id) else { continue }
            news.replace(part.places, by: [])
            news.replace(part.endpoint, by: nil)
        }
    }
}

extension Swarm.Cluster {
    var tunnel: Tunnel? {
        (tunnelPool ?? Tunnel.defaultPool).map {
            Tunnel(port: dataPathPort, pool: $0, uniqueLocalPrefix: uniqueLocalPrefix)
        }
    }
}

extension Swarm.Task {
    /// A task takes new connections while it is seen running and well, and is wanted.
    ///
    /// It is named before: nodes learn at different moments that it runs, and the first to send it something must not
    /// find a task's node that does not let it in yet.
    fileprivate var backend: ServiceEndpoint.Backend? {
        guard status.state >= .assigned, status.state <= .running, let nodeID else { return nil }
        return ServiceEndpoint.Backend(
            taskID: id, taskName: name, slot: slot, nodeID: nodeID, networks: networks,
            isActive: status.state == .running && !isFailing && desiredState <= .running)
    }

    /// Where its addresses are: from the moment that it has a node until it has ended, and was seen to have.
    fileprivate var place: PlacedAddresses? {
        guard let nodeID, !networks.isEmpty, !status.state.isTerminal || lastSeen != nil else { return nil }
        return PlacedAddresses(id: id, nodeID: nodeID, addresses: networks.flatMap(\.addresses).map(\.address))
    }
}

extension AttachedContainer {
    /// A container keeps its addresses, running or not.
    fileprivate var place: PlacedAddresses {
        PlacedAddresses(
            id: id, nodeID: nodeID,
            addresses: networks.flatMap(\.addresses).map(\.address) + ingress.map(\.address))
    }
}

extension Array where Element: Identifiable, Element.ID == Swarm.ID {
    /// Takes out and puts in, and stays sorted by identifier; stays the same array where there is nothing to do.
    fileprivate mutating func change(without left: [Element], with came: [Element]) {
        guard !left.isEmpty || !came.isEmpty else { return }
        guard left.count + came.count < 64 else {
            let gone = Set(left.map(\.id))
            self = (filter { !gone.contains($0.id) } + came).sorted { $0.id < $1.id }
            return
        }
        for element in left {
            let index = position(of: element.id)
            if index < count, self[index].id == element.id { remove(at: index) }
        }
        for element in came { insert(element, at: position(of: element.id)) }
    }

    private func position(of id: Swarm.ID) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
