import CausewayModel
import CausewayStore

/// A subnet's pool, by network and family.
package struct PoolKey: Hashable, Sendable {
    package var network: Swarm.ID
    package var family: IPFamily
}

/// Why something could not be given, with how much there is.
package struct Shortage: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// Who holds which address, made from the store's objects and nothing else.
///
/// A service holds its virtual IPs until it is gone from the store. A task holds its addresses until it has ended
/// and is not wanted any more.
package struct AddressLedger: Sendable {
    private var pools: [PoolKey: AddressPool] = [:]
    private let networks: StoreTable<Swarm.Network>

    package init(_ view: StoreSnapshot, cursors: [PoolKey: UInt64]) {
        networks = view.networks
        for network in view.networks.all {
            for subnet in network.subnets {
                let key = PoolKey(network: network.id, family: subnet.subnet.family)
                pools[key] = AddressPool(subnet, cursor: cursors[key])
            }
        }
        for holder in Self.holders(view) {
            pools[PoolKey(network: holder.network, family: holder.address.family)]?.hold(holder.address)
        }
        for key in pools.keys { pools[key]?.settleCursor() }
    }

    /// Where each pool stands, for the next ledger.
    package var cursors: [PoolKey: UInt64] { pools.compactMapValues(\.cursor) }

    /// Gives an address of each family that the network has, or none at all.
    package mutating func take(on network: Swarm.ID) -> Result<[CIDR], Shortage> {
        guard let object = networks[network] else { return .failure(Shortage("network \(network) does not exist")) }
        var given: [CIDR] = []
        for family in IPFamily.allCases {
            let key = PoolKey(network: network, family: family)
            guard let pool = pools[key] else { continue }
            guard let address = pools[key]?.take() else {
                giveBack(given, on: network)
                return .failure(
                    Shortage(
                        "no free address on network \(object.spec.name): \(pool.usedCount) of \(pool.capacity) used"))
            }
            given.append(address)
        }
        return .success(given)
    }

    /// Gives the addresses asked for, and any of the families of which none was asked for.
    ///
    /// - Throws: Docker's words for an address that is taken or of no subnet of the network.
    package mutating func take(
        on network: Swarm.ID, asking requested: [IPAddress]
    ) throws(SwarmError) -> [CIDR] {
        guard let object = networks[network] else { throw Refusal.notFound("network", network) }
        var given: [CIDR] = []
        for family in IPFamily.allCases {
            let key = PoolKey(network: network, family: family)
            let wanted = requested.filter { $0.family == family }
            guard pools[key] != nil else {
                guard let address = wanted.first else { continue }
                throw SwarmError(
                    .invalid,
                    "invalid address \(address): it does not belong to any of this network's subnets: network "
                        + "\(object.spec.name) has none of its family")
            }
            if let address = wanted.first {
                if let cidr = try pools[key]?.take(address) { given.append(cidr) }
            } else if let address = pools[key]?.take() {
                given.append(address)
            } else {
                throw SwarmError(.internal, "no available addresses on network \(object.spec.name)")
            }
        }
        return given
    }

    /// Takes back what `take` has just given.
    package mutating func giveBack(_ addresses: [CIDR], on network: Swarm.ID) {
        for address in addresses {
            pools[PoolKey(network: network, family: address.family)]?.giveBack(address.address)
        }
    }

    /// Somebody's hold on an address.
    package struct Holder: Hashable, Sendable {
        package var network: Swarm.ID
        package var address: IPAddress
        /// `service ID`, `task ID`, ….
        package var owner: String
    }

    /// Every address that is held, with its owner.
    package static func holders(_ view: StoreSnapshot) -> [Holder] {
        var holders: [Holder] = []
        for service in view.services.all {
            for virtual in service.endpoint.virtualIPs {
                holders += virtual.addresses.map {
                    Holder(network: virtual.networkID, address: $0.address, owner: "service \(service.id)")
                }
            }
        }
        for task in view.tasks.all where task.holdsAddresses {
            for attachment in task.networks {
                holders += attachment.addresses.map {
                    Holder(network: attachment.networkID, address: $0.address, owner: "task \(task.id)")
                }
            }
        }
        for node in view.nodes.all {
            for attachment in node.balancers ?? [] {
                holders += attachment.addresses.map {
                    Holder(network: attachment.networkID, address: $0.address, owner: "balancer of node \(node.id)")
                }
            }
        }
        let ingress = view.ingress?.id
        for container in view.containers.all.map(\.container) {
            let own = container.networks.map { ($0.networkID, $0.addresses) }
            for (network, addresses) in own + (ingress.map { [($0, container.ingress)] } ?? []) {
                holders += addresses.map {
                    Holder(network: network, address: $0.address, owner: "container \(container.id)")
                }
            }
        }
        return holders
    }

    /// Addresses and published ports with more than one owner, in words.
    ///
    /// Empty, or there is a bug.
    package static func doubles(in view: StoreSnapshot) -> [String] {
        var owners: [String: Set<String>] = [:]
        for holder in holders(view) {
            owners["address \(holder.address) of network \(holder.network)", default: []].insert(holder.owner)
        }
        for task in view.tasks.all where task.holdsAddresses {
            guard let number = task.gatewayNumber else { continue }
            owners["place \(number) on docker_gwbridge", default: []].insert("task \(task.id)")
        }
        for network in view.networks.all {
            guard let number = network.tunnelIdentifier else { continue }
            owners["tunnel identifier \(number)", default: []].insert("network \(network.id)")
        }
        for service in view.services.all where !service.isPendingDelete {
            for port in service.endpoint.ports where port.publishMode == .ingress {
                guard let published = port.publishedPort, published != 0 else { continue }
                owners["port \(published)/\(port.protocol.rawValue)", default: []].insert("service \(service.id)")
            }
        }
        for container in view.containers.all.map(\.container) where container.isRunning {
            for port in container.ports {
                owners["port \(port.publishedPort)/\(port.protocol.rawValue)", default: []]
                    .insert("container \(container.id)")
            }
        }
        return owners.filter { $0.value.count > 1 }
            .map { "\($0.key) is held by \($0.value.sorted().joined(separator: " and "))" }.sorted()
    }
}

extension Swarm.Task {
    /// Whether its addresses are still its own: until it has ended, was seen to have, and nobody wants it any more.
    var holdsAddresses: Bool { !(status.state.isTerminal && desiredState > .running) || lastSeen != nil }

    /// Whether it is to run and has no addresses yet.
    ///
    /// Every task joins at least one network.
    var awaitsAddresses: Bool { desiredState <= .running && networks.isEmpty && !status.state.isTerminal }
}
