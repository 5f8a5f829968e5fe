import CausewayModel

/// The addresses of one subnet: which are given, and which comes next.
///
/// Addresses are numbered by their distance from the subnet's first. They are given serially, the next after the
/// last given, so that a freed one rests until the cursor has wrapped. Never given: the subnet's own address, the
/// gateway, and IPv4's broadcast address.
package struct AddressPool: Hashable, Sendable {
    package let subnet: Swarm.Subnet
    /// The distance that was given last; the next attempt starts behind it.
    package private(set) var cursor: UInt64?
    private var used: Set<UInt64> = []
    private let first: UInt64
    private let last: UInt64
    private let reserved: Set<UInt64>

    package init(_ subnet: Swarm.Subnet, cursor: UInt64? = nil) {
        self.subnet = subnet
        let whole = Self.distances(of: subnet.subnet.network, from: subnet.subnet.network)
        let range = subnet.range.map { Self.distances(of: $0.network, from: subnet.subnet.network) } ?? whole
        first = range.lowerBound
        last = range.upperBound
        var reserved: Set<UInt64> = [0]
        if subnet.subnet.family == .ip { reserved.insert(whole.upperBound) }
        if let gateway = Self.distance(of: subnet.gateway, from: subnet.subnet.network.address) {
            reserved.insert(gateway)
        }
        self.reserved = reserved.filter { range.contains($0) }
        self.cursor = cursor
    }

    /// How many addresses can be given at all.
    package var capacity: UInt64 {
        let all = last - first
        let count = all == .max ? all : all + 1
        return count - min(count, UInt64(reserved.count))
    }

    /// How many addresses of the range are given now.
    package var usedCount: UInt64 { UInt64(used.count { (first...last).contains($0) }) }

    /// Notes an address that somebody holds.
    ///
    /// Addresses outside the subnet are nobody's business here.
    package mutating func hold(_ address: IPAddress) {
        guard subnet.subnet.contains(address),
            let distance = Self.distance(of: address, from: subnet.subnet.network.address)
        else { return }
        used.insert(distance)
    }

    /// Sets the cursor to the highest address held, if it stands nowhere: what a restart does.
    package mutating func settleCursor() {
        if cursor == nil { cursor = used.filter { (first...last).contains($0) }.max() }
    }

    /// Gives the next free address with the subnet's prefix length; `nil` when there is none.
    package mutating func take() -> CIDR? {
        guard usedCount < capacity else { return nil }
        var next = cursor.map { $0 < last && $0 >= first ? $0 + 1 : first } ?? first
        while used.contains(next) || reserved.contains(next) { next = next < last ? next + 1 : first }
        guard let address = subnet.subnet.network.address.advanced(by: next) else { return nil }
        used.insert(next)
        cursor = next
        return CIDR(address, subnet.subnet.prefixLength)
    }

    /// Gives one address, if it is free.
    package mutating func take(_ address: IPAddress) throws(SwarmError) -> CIDR? {
        let base = subnet.subnet.network.address
        guard subnet.subnet.contains(address), let distance = Self.distance(of: address, from: base) else {
            throw SwarmError(
                .invalid, "invalid address \(address): it does not belong to any of this network's subnets")
        }
        guard !isReserved(distance), used.insert(distance).inserted else {
            throw SwarmError(.forbidden, "Address already in use")
        }
        return CIDR(address, subnet.subnet.prefixLength)
    }

    /// Whether an address of the subnet is nobody's to have: the network's own, its gateway's, its broadcast.
    private func isReserved(_ distance: UInt64) -> Bool {
        let base = subnet.subnet.network
        let last = Self.distance(of: base.last, from: base.address)
        return distance == 0 || distance == Self.distance(of: subnet.gateway, from: base.address)
            || (base.family == .ip && distance == last)
    }

    /// Takes back what `take` has just given.
    package mutating func giveBack(_ address: IPAddress) {
        if let distance = Self.distance(of: address, from: subnet.subnet.network.address) { used.remove(distance) }
    }

    private static func distances(of inner: CIDR, from outer: CIDR) -> ClosedRange<UInt64> {
        let start = distance(of: inner.address, from: outer.address) ?? 0
        let end = distance(of: inner.last, from: outer.address) ?? .max
        return start...max(start, end)
    }

    /// How far `address` is from `base`; `nil` beyond 64 bits or before it.
    private static func distance(of address: IPAddress, from base: IPAddress) -> UInt64? {
        switch (address, base) {
        case (.v4(let a), .v4(let b)):
            return a.rawValue >= b.rawValue ? UInt64(a.rawValue - b.rawValue) : nil
        case (.v6(let a), .v6(let b)):
            guard a.high == b.high, a.low >= b.low else { return nil }
            return a.low - b.low
        default:
            return nil
        }
    }
}
