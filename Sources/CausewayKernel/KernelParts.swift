/// Parts of a namespace's state that can be looked at, and put right, by themselves.
package struct KernelParts: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Links with their addresses, routes, neighbours and forwarding entries; policy rules.
    package static let links = KernelParts(rawValue: 1)
    /// Our own nftables.
    package static let tables = KernelParts(rawValue: 2)
    package static let sysctls = KernelParts(rawValue: 4)
    /// The entry in another's firewall.
    package static let forward = KernelParts(rawValue: 8)
    /// IPVS.
    package static let balancers = KernelParts(rawValue: 16)
    /// iptables.
    package static let firewall = KernelParts(rawValue: 32)
    package static let all: KernelParts = [.links, .tables, .sysctls, .forward, .balancers, .firewall]
}

extension KernelState {
    /// Some parts of the state; the others are as if there were nothing of them.
    ///
    /// With links go all sysctls: a new link starts with settings of its own.
    package func only(_ parts: KernelParts) -> KernelState {
        guard parts != .all else { return self }
        var state = KernelState()
        if parts.contains(.links) {
            state.links = links
            state.addresses = addresses
            state.routes = routes
            state.neighbors = neighbors
            state.forwarding = forwarding
            state.rules = rules
        }
        if !parts.isDisjoint(with: [.links, .sysctls]) { state.sysctls = sysctls }
        if parts.contains(.tables) { state.tables = tables }
        if parts.contains(.forward) { state.forwardAccepts = forwardAccepts }
        if parts.contains(.balancers) { state.balancers = balancers }
        if parts.contains(.firewall) { state.firewall = firewall }
        return state
    }
}
