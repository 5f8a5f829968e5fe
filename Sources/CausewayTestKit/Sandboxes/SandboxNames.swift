import CausewayKernel
import CausewayModel

/// Names for what a cluster chooses for itself: who has an address, a mark, an Ethernet address, a VXLAN number.
///
/// Hosts are `node1`, `node2`, by their order. A task is `web@node1`, and `web#2@node1` where there are more; so it does not matter
/// which slot runs where.
package struct SandboxNames: Sendable {
    /// `ingress`, `network1`, … by VXLAN number.
    private(set) var networks: [UInt32: String] = [:]
    private(set) var subnets: [(subnet: CIDR, name: String)] = []
    /// Addresses that mean the same everywhere: of overlay networks and of hosts.
    private var addresses: [IPAddress: String] = [:]
    /// By host: addresses of its docker_gwbridge, which other hosts have as well.
    private var local: [Int: [IPAddress: String]] = [:]
    private var localSubnets: [Int: CIDR] = [:]
    /// By host and namespace.
    private(set) var places: [Place: Role] = [:]
    /// The service that is behind a mark, by host and namespace.
    private var marks: [Place: [UInt32: String]] = [:]
    /// The service of each task's role.
    private var services: [String: String] = [:]

    package struct Place: Hashable, Sendable {
        package var host: Int
        package var inode: UInt64
    }

    package enum Role: Hashable, Sendable {
        case host
        /// Of a network, by its name.
        case overlay(String)
        case balancer(String)
        case task(String)

        /// Which it is on its node.
        package var name: String {
            switch self {
            case .host: "host"
            case .overlay(let network): "overlay of \(network)"
            case .balancer(let network): "balancer of \(network)"
            case .task(let name): name
            }
        }
    }

    static let bridge = "docker_gwbridge"

    package init(_ hosts: [Inventory], renaming: [String: String]) {
        readNetworks(hosts)
        for (number, host) in hosts.enumerated() {
            readHost(number, host)
            for space in host.namespaces { readSandbox(number, space) }
            readTasks(number, host, renaming)
        }
        for (number, host) in hosts.enumerated() { readServices(number, host) }
    }

    private static func isBalancer(_ space: NamespaceState) -> Bool {
        space.bareName == "ingress_sbox" || space.bareName.hasPrefix("lb_")
    }

    /// The number of a tunnel's link.
    static func tunnel(_ kind: Rtnl.Link.Kind) -> UInt32? {
        kind.tunnel?.id
    }

    /// From where a tunnel's link sends, where that is said.
    static func local(_ kind: Rtnl.Link.Kind) -> IPAddress? {
        kind.tunnel?.local
    }

    private static func tunnels(_ space: NamespaceState) -> [UInt32] {
        space.links.compactMap { tunnel($0.link.kind) }
    }

    /// `1-` and more: the number is how often the network was begun anew.
    private static func isOverlay(_ space: NamespaceState) -> Bool {
        space.bareName.split(separator: "-", maxSplits: 1).first.map { UInt32($0) != nil } ?? false
            && !tunnels(space).isEmpty
    }

    private mutating func readNetworks(_ hosts: [Inventory]) {
        let spaces = hosts.flatMap(\.namespaces)
        let ingress = spaces.first { $0.bareName == "ingress_sbox" }?.addresses ?? []
        var subnets: [UInt32: CIDR] = [:]
        for space in spaces where Self.isOverlay(space) {
            let bridges = Set(space.links.filter { $0.link.kind == .bridge }.map(\.link.name))
            let gateways = space.addresses.filter { bridges.contains($0.link) && $0.address.family == .ip }
            guard let tunnel = Self.tunnels(space).first, let gateway = gateways.first?.address else { continue }
            subnets[tunnel] = gateway.network
            addresses[gateway.address] = "gateway"
        }
        var count = 0
        for (tunnel, subnet) in subnets.sorted(by: { $0.key < $1.key }) {
            let isIngress = ingress.contains { subnet.contains($0.address.address) }
            if !isIngress { count += 1 }
            let name = isIngress ? "ingress" : "network\(count)"
            networks[tunnel] = name
            self.subnets.append((subnet, name))
        }
        for (address, name) in addresses { addresses[address] = "\(name).\(network(of: address) ?? "")" }
    }

    private func network(of address: IPAddress) -> String? { subnets.first { $0.subnet.contains(address) }?.name }

    private mutating func readHost(_ number: Int, _ host: Inventory) {
        guard let own = host.namespaces.first else { return }
        places[Place(host: number, inode: own.inode)] = .host
        for one in own.addresses where one.address.family == .ip && !one.address.address.isLoopback {
            guard one.link == Self.bridge else {
                addresses[one.address.address] = "node\(number + 1)"
                continue
            }
            localSubnets[number] = one.address.network
            local[number, default: [:]][one.address.address] = "gateway.gwbridge"
        }
    }

    private mutating func readSandbox(_ number: Int, _ space: NamespaceState) {
        let place = Place(host: number, inode: space.inode)
        if Self.isOverlay(space), let network = Self.tunnels(space).compactMap({ networks[$0] }).first {
            places[place] = .overlay(network)
        }
        guard Self.isBalancer(space),
            let network = space.addresses.compactMap({ self.network(of: $0.address.address) }).first
        else { return }
        places[place] = .balancer(network)
        name(space, number, "balancer@node\(number + 1)")
    }

    /// Addresses of a namespace after whom it belongs to; services' own come later.
    private mutating func name(_ space: NamespaceState, _ number: Int, _ owner: String) {
        for one in space.addresses where one.address.family == .ip {
            let address = one.address.address
            if localSubnets[number]?.contains(address) == true {
                local[number, default: [:]][address] = "\(owner).gwbridge"
            } else if let network = network(of: address), !one.address.isHost {
                addresses[address] = "\(owner).\(network)"
            }
        }
    }

    private mutating func readTasks(_ number: Int, _ host: Inventory, _ renaming: [String: String]) {
        var counts: [String: Int] = [:]
        let owners = host.owners.sorted { ($0.taskName ?? $0.containerName) < ($1.taskName ?? $1.containerName) }
        for owner in owners {
            let place = Place(host: number, inode: owner.namespaceInode)
            guard places[place] == nil, let space = host.namespaces.first(where: { $0.inode == place.inode }) else {
                continue
            }
            let given = owner.serviceName ?? owner.containerName
            let service = renaming[given] ?? given
            counts[service, default: 0] += 1
            let count = counts[service] ?? 1
            let name = (count == 1 ? service : "\(service)#\(count)") + "@node\(number + 1)"
            places[place] = .task(name)
            services[name] = service
            self.name(space, number, name)
        }
    }

    /// A mark is of the service whose tasks its destinations are, and so is the address that gets the mark.
    private mutating func readServices(_ number: Int, _ host: Inventory) {
        for space in host.namespaces where Self.isBalancer(space) {
            let place = Place(host: number, inode: space.inode)
            for service in space.ipvs {
                guard case .mark(let mark) = service.key else { continue }
                let names = service.destinations.compactMap { addresses[$0.address].flatMap(owner) }
                marks[place, default: [:]][mark] = names.first ?? "nobody"
            }
            let rules = space.iptables.filter { $0.name == "mangle" }.flatMap(\.chains).flatMap(\.rules)
            for rule in rules {
                guard case .setMark(let mark, _)? = rule.target, let service = marks[place]?[mark] else { continue }
                for case .destination(let target) in rule.matches where target.isHost {
                    addresses[target.address] = "vip.\(service).\(network(of: target.address) ?? "")"
                }
            }
        }
    }

    /// The service of an address's name.
    private func owner(_ name: String) -> String? {
        services.first { name.hasPrefix($0.key + ".") }?.value
    }
}

extension SandboxNames {
    package func address(_ address: IPAddress, _ host: Int) -> String {
        local[host]?[address] ?? addresses[address] ?? "\(address)"
    }

    package func subnet(_ subnet: CIDR, _ host: Int) -> String {
        guard !subnet.isHost else { return address(subnet.address, host) + "/\(subnet.prefixLength)" }
        if subnet == localSubnets[host] { return "gwbridge" }
        return subnets.first { $0.subnet == subnet }?.name ?? "\(subnet)"
    }

    package func mark(_ mark: UInt32, _ place: Place) -> String {
        marks[place]?[mark].map { "mark(\($0))" } ?? "0x\(String(mark, radix: 16))"
    }

    /// Ethernet addresses that are made of an address have its name.
    package func station(_ station: MACAddress, _ host: Int) -> String {
        let known = (local[host] ?? [:]).merging(addresses) { first, _ in first }
        let owner = known.first { address, _ in address.v4.map { MACAddress(derivedFrom: $0) == station } ?? false }
        return owner.map { "mac(\($0.value))" } ?? "\(station)"
    }
}
