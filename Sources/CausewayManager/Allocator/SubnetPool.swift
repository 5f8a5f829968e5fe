import CausewayModel

/// Cuts subnets for new networks from the cluster's pools: the first that overlaps nothing.
package struct SubnetPool: Sendable {
    /// Pools in the order in which they are used up.
    package var pools: [CIDR]
    /// The prefix length of the subnets.
    package var size: Int

    package init(pools: [CIDR], size: Int) {
        self.pools = pools
        self.size = size
    }

    /// The first subnet that overlaps none of `taken`; `nil` when the pools are used up.
    package func first(avoiding taken: [CIDR]) -> CIDR? {
        for pool in pools {
            guard size >= pool.prefixLength, let start = CIDR(pool.network.address, size) else { continue }
            var candidate = start
            while pool.contains(candidate) {
                guard let obstacle = taken.first(where: { $0.overlaps(candidate) }) else { return candidate }
                let last = obstacle.prefixLength < size ? obstacle.last : candidate.last
                guard let next = last.advanced(by: 1), let following = CIDR(next, size) else { break }
                candidate = following
            }
        }
        return nil
    }

    /// The number of the first /64 of `prefix` from `lowest` on that overlaps none of `taken`, as a subnet.
    package static func uniqueLocal(_ prefix: CIDR, from lowest: UInt64, avoiding taken: [CIDR]) -> CIDR? {
        guard case .v6(let base) = prefix.network.address, prefix.prefixLength <= 64 else { return nil }
        let width = UInt64(64 - prefix.prefixLength)
        let count: UInt64 = width >= 63 ? .max : 1 << width
        for number in lowest..<max(lowest, count) {
            guard let subnet = CIDR(.v6(IPv6Address(high: base.high | number, low: 0)), 64) else { return nil }
            if !taken.contains(where: { $0.overlaps(subnet) }) { return subnet }
        }
        return nil
    }
}
