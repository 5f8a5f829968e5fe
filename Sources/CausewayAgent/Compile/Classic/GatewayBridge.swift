import CausewayKernel
import CausewayModel

/// The bridge by which what is on classic networks reaches its host and the outside, as Docker makes it.
package enum GatewayBridge {
    /// The pools that Docker cuts local networks from, behind the one that `docker0` has.
    package static let candidates = (18...31).compactMap { CIDR("172.\($0).0.1/16") }

    /// The bridge's own address if it is there already, whoever made it; else those that overlap no route of the host.
    package static func choices(_ routes: [Rtnl.Route]) -> [CIDR] {
        let own = routes.first {
            $0.link == Rtnl.gatewayBridge && $0.gateway == nil && $0.destination.family == .ip
                && !$0.destination.isHost && $0.source != nil
        }
        if let own, let address = own.source.flatMap({ CIDR($0, own.destination.prefixLength) }) { return [address] }
        let taken = routes.map(\.destination).filter { $0.prefixLength > 0 }
        return candidates.filter { candidate in !taken.contains { $0.overlaps(candidate) } }
    }
}

/// The bridge as one node has it.
struct GatewayNetwork: Hashable {
    /// The bridge's own, with its prefix length.
    let address: CIDR

    /// `nil` when every choice overlaps a network of the cluster.
    init?(_ facts: NodeFacts, networks: [Swarm.Network]) {
        let subnets = networks.flatMap(\.subnets).map(\.subnet)
        guard let free = facts.gatewayBridges.first(where: { choice in !subnets.contains { $0.overlaps(choice) } })
        else { return nil }
        address = free
    }

    /// An address by its place; `nil` where the subnet is too small for it.
    func address(at number: UInt64) -> CIDR? {
        guard let own = address.network.address.advanced(by: number), address.contains(own), own != address.last,
            own != address.address
        else { return nil }
        return CIDR(own, address.prefixLength)
    }
}
