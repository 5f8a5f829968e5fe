import CausewayModel
import CausewayStore

/// Checks a new network's specification and gives it its subnets.
package struct NetworkValidator: Sendable {
    private let view: StoreSnapshot
    /// Destinations that the host reaches by other ways; ours and default routes are not among them.
    private let hostRoutes: [CIDR]
    /// The same of the other nodes, as each has said; by what it is called.
    private let nodeRoutes: [(name: String, route: CIDR)]
    private let tunnelPool: CIDR?

    package init(_ view: StoreSnapshot, hostRoutes: [CIDR]) {
        self.view = view
        self.hostRoutes = hostRoutes.filter { $0.prefixLength > 0 }
        nodeRoutes = view.nodes.sorted.filter { $0.hasLeft != true }.flatMap { node in
            (node.routes ?? []).filter { $0.prefixLength > 0 }.sorted().map { (node.description.hostname, $0) }
        }
        tunnelPool = view.cluster?.tunnelPool ?? Tunnel.defaultPool
    }

    /// The subnets of the new network: those asked for, or cut from the cluster's pools.
    package func subnets(for spec: Swarm.NetworkSpec) throws(SwarmError) -> [Swarm.Subnet] {
        guard let cluster = view.cluster else { throw Refusal.notManager }
        try check(spec)
        var subnets: [Swarm.Subnet] = []
        for config in spec.ipam
        where config.subnet ?? "" != "" || config.gateway ?? "" != "" || config.range ?? "" != "" {
            let subnet = try Self.read(config)
            let family = subnet.subnet.family
            guard !subnets.contains(where: { $0.subnet.family == family }) else {
                throw Refusal.unsupported(
                    "a network with several \(family == .ip ? "IPv4" : "IPv6") subnets", "give one")
            }
            if family == .ip6, !spec.enableIPv6 {
                throw SwarmError(
                    .invalid,
                    "invalid network config: subnet \(subnet.subnet) is IPv6, and IPv6 is not enabled: use --ipv6")
            }
            try checkOverlap(subnet.subnet)
            subnets.append(subnet)
        }
        if !subnets.contains(where: { $0.subnet.family == .ip }) { subnets.insert(try cut(cluster), at: 0) }
        if spec.enableIPv6, !subnets.contains(where: { $0.subnet.family == .ip6 }) {
            subnets.append(try cutUniqueLocal(cluster, from: spec.isIngress ? 1 : 2))
        }
        return subnets.sorted { $0.subnet.family < $1.subnet.family }
    }

    private func check(_ spec: Swarm.NetworkSpec) throws(SwarmError) {
        try Names.checkNetwork(spec.name)
        guard !view.networks.all.contains(where: { $0.spec.name == spec.name }) else {
            throw SwarmError(.conflict, "network with name \(spec.name) already exists")
        }
        if spec.isIngress {
            guard !spec.isAttachable else { throw Refusal.invalid("ingress network cannot be attachable") }
            if let ingress = view.ingress {
                throw SwarmError(
                    .conflict,
                    "rpc error: code = AlreadyExists desc = ingress network (\(ingress.id)) is already present")
            }
            guard !spec.isInternal else {
                throw SwarmError(.invalid, "invalid network config: an ingress network cannot be internal")
            }
        }
        if let path = spec.unknownDataPath {
            throw SwarmError(
                .invalid,
                "invalid network config: data path '\(path)' (--opt \(Swarm.NetworkSpec.dataPathOption)) is not known: "
                    + "use direct or classic")
        }
        if spec.isClassic, spec.enableIPv6 {
            throw Refusal.unsupported("IPv6 on a network with data path classic", "leave --ipv6 away, or use direct")
        }
        for option in spec.options.keys.sorted() where Self.unsupportedOptions.contains(option) {
            throw Refusal.unsupported("option '\(option)' of a network", "leave it away")
        }
    }

    /// Options that Docker's overlay driver acts on.
    private static let unsupportedOptions: Set = [
        "encrypted", "dsr", "com.docker.network.driver.mtu", "com.docker.network.driver.overlay.vxlanid_list",
    ]

    /// Why a classic network cannot be made here, and what to do instead.
    static func classicNeeds(_ missing: String, network: String) -> SwarmError {
        SwarmError(
            .unsupported,
            "network \(network) cannot have data path classic: \(missing); or leave --opt "
                + "\(Swarm.NetworkSpec.dataPathOption)=classic away: data path direct needs none of it")
    }

    // MARK: subnets asked for

    private static func read(_ config: Swarm.NetworkSpec.IPAMConfig) throws(SwarmError) -> Swarm.Subnet {
        guard let text = config.subnet, !text.isEmpty else {
            throw SwarmError(.invalid, "invalid network config: a gateway or an IP range needs a subnet")
        }
        guard let subnet = CIDR(text) else {
            throw SwarmError(.invalid, "Invalid subnet \(text) : invalid CIDR address: \(text)")
        }
        guard subnet == subnet.network else { throw invalid("subnet", text, "it should be \(subnet.network)") }
        guard subnet.prefixLength > 0, !isSpecial(subnet) else {
            throw invalid("subnet", text, "it holds addresses with a meaning of their own")
        }
        guard subnet.prefixLength <= subnet.family.width - 2 else {
            throw invalid(
                "subnet", text, "it has no room for tasks: a prefix of at most \(subnet.family.width - 2) has")
        }
        let gateway = try gateway(config.gateway, in: subnet)
        guard let rangeText = config.range, !rangeText.isEmpty else {
            return Swarm.Subnet(subnet: subnet, gateway: gateway)
        }
        guard let range = CIDR(rangeText) else { throw invalid("ip-range", rangeText, "it is not ADDRESS/PREFIX") }
        guard subnet.contains(range.network) else {
            throw invalid("ip-range", rangeText, "it is not within subnet \(subnet)")
        }
        return Swarm.Subnet(subnet: subnet, gateway: gateway, range: range.network)
    }

    private static func gateway(_ text: String?, in subnet: CIDR) throws(SwarmError) -> IPAddress {
        guard let text, !text.isEmpty else { return subnet.network.address.advanced(by: 1) ?? subnet.network.address }
        guard let gateway = IPAddress(text) else { throw invalid("gateway", text, "it is not an address") }
        guard subnet.contains(gateway) else { throw invalid("gateway", text, "it is not within subnet \(subnet)") }
        guard gateway != subnet.address, subnet.family == .ip6 || gateway != subnet.last else {
            throw invalid("gateway", text, "it is the subnet's own or its broadcast address")
        }
        return gateway
    }

    private static func isSpecial(_ subnet: CIDR) -> Bool {
        ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/96", "fe80::/10", "ff00::/8"]
            .compactMap(CIDR.init).contains { $0.overlaps(subnet) }
    }

    private static func invalid(_ what: String, _ text: String, _ why: String) -> SwarmError {
        SwarmError(.invalid, "invalid network config: invalid \(what) \(text): \(why)")
    }

    private func checkOverlap(_ subnet: CIDR) throws(SwarmError) {
        for network in view.networks.sorted {
            if let other = network.subnets.first(where: { $0.subnet.overlaps(subnet) }) {
                throw SwarmError(
                    .forbidden,
                    "Pool overlaps with other one on this address space: subnet \(subnet) overlaps \(other.subnet) of "
                        + "network \(network.spec.name)")
            }
        }
        if let prefix = view.cluster?.uniqueLocalPrefix, let nodes = CIDR(prefix.network.address, 64),
            nodes.overlaps(subnet)
        {
            throw SwarmError(
                .forbidden,
                "Pool overlaps with other one on this address space: subnet \(subnet) overlaps \(nodes), which the "
                    + "cluster keeps for its nodes")
        }
        if let route = hostRoutes.sorted().first(where: { $0.overlaps(subnet) }) {
            throw SwarmError(
                .forbidden,
                "Pool overlaps with other one on this address space: subnet \(subnet) overlaps the host's route "
                    + "\(route); choose another with --subnet")
        }
        if let (name, route) = nodeRoutes.first(where: { $0.route.overlaps(subnet) }) {
            throw SwarmError(
                .forbidden,
                "Pool overlaps with other one on this address space: subnet \(subnet) overlaps route \(route) of node "
                    + "\(name); choose another with --subnet")
        }
        if let tunnelPool, tunnelPool.overlaps(subnet) {
            throw SwarmError(
                .forbidden,
                "Pool overlaps with other one on this address space: subnet \(subnet) overlaps \(tunnelPool), which "
                    + "the cluster keeps for its tunnel; choose another with --subnet")
        }
    }

    // MARK: subnets cut from pools

    private var taken: [CIDR] {
        hostRoutes + nodeRoutes.map(\.route) + [tunnelPool].compactMap(\.self)
            + view.networks.all.flatMap { $0.subnets.map(\.subnet) }
    }

    private func cut(_ cluster: Swarm.Cluster) throws(SwarmError) -> Swarm.Subnet {
        let pool = SubnetPool(pools: cluster.defaultAddressPools, size: cluster.subnetSize)
        guard let subnet = pool.first(avoiding: taken), let gateway = subnet.address.advanced(by: 1) else {
            let pools = cluster.defaultAddressPools.map(\.description).joined(separator: ", ")
            throw SwarmError(
                .conflict,
                "no free subnet /\(cluster.subnetSize) in the default address pool \(pools): \(view.networks.count) "
                    + "networks and \(hostRoutes.count) routes of the host use it; give one with --subnet")
        }
        return Swarm.Subnet(subnet: subnet, gateway: gateway)
    }

    private func cutUniqueLocal(_ cluster: Swarm.Cluster, from lowest: UInt64) throws(SwarmError) -> Swarm.Subnet {
        let prefix = cluster.uniqueLocalPrefix
        guard let subnet = SubnetPool.uniqueLocal(prefix, from: lowest, avoiding: taken),
            let gateway = subnet.address.advanced(by: 1)
        else {
            throw SwarmError(.conflict, "no free IPv6 subnet /64 in \(prefix); give one with --subnet")
        }
        return Swarm.Subnet(subnet: subnet, gateway: gateway)
    }
}

/// Who uses a network.
package enum NetworkUse {
    /// The sentence for why the network cannot be removed; `nil` when it can.
    package static func obstacle(_ network: Swarm.Network, _ view: StoreSnapshot) -> SwarmError? {
        let services = view.services.sorted.filter { !$0.isPendingDelete }
        if network.spec.isIngress {
            guard let user = services.first(where: { $0.needsIngress }) else { return nil }
            return Refusal.precondition(
                "ingress network cannot be removed because service \(user.id) depends on it")
        }
        if let user = services.first(where: { $0.spec.attachments.contains { $0.target == network.id } }) {
            return Refusal.precondition("network \(network.id) is in use by service \(user.id)")
        }
        let containers = view.containers.sorted.map(\.container)
        if let user = containers.first(where: { $0.networks.contains { $0.networkID == network.id } }) {
            // Docker's words for endpoints of any kind.
            return SwarmError(
                .forbidden,
                "error while removing network: network \(network.spec.name) id \(network.id) has active endpoints: "
                    + "container \(user.name); disconnect or remove it first")
        }
        return nil
    }

    /// A task that still stands on the network; its service is gone or has left the network.
    package static func lastTask(_ network: Swarm.Network, _ view: StoreSnapshot) -> Swarm.Task? {
        view.tasks.first { task in
            task.holdsAddresses && task.networks.contains { $0.networkID == network.id }
        }
    }

    /// Networks that `network prune` may remove: neither the mesh's nor anybody's.
    package static func unused(_ view: StoreSnapshot) -> [Swarm.Network] {
        view.networks.sorted.filter {
            !$0.spec.isIngress && obstacle($0, view) == nil && lastTask($0, view) == nil
        }
    }
}
