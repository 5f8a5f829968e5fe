extension Checkup {
    /// In the order in which one looks: switches, filters, tunnels, addresses, balancers, whole ways, the daemon.
    package static let all: [any Check] = switches + filters + tunnels + addresses + balancers + ways + daemons

    private static let switches: [any Check] = [
        IPVSMissingCheck(), ForwardingCheck(), SandboxForwardingCheck(), ReversePathCheck(), SourceMarkCheck(),
        LocalRouteCheck(), TaskIPv6Check(), BridgeNetfilterCheck(), ConntrackCheck(), NeighborTableCheck(),
    ]

    private static let filters: [any Check] = [
        ForwardFilterCheck(), IngressJumpCheck(), IngressOrderCheck(), TwoTablesCheck(), FirewallDisagreesCheck(),
    ]

    private static let tunnels: [any Check] = [
        MTUCheck(), ChecksumCheck(), TunnelPortCheck(), TunnelConflictCheck(), TunnelAddressCheck(),
        ForwardingMissingCheck(), ForwardingStaleCheck(), OverlayEntriesCheck(),
    ]

    private static let addresses: [any Check] = [
        NeighborMissingCheck(), NeighborWrongCheck(), NeighborFailedCheck(), DuplicateAddressCheck(),
        SubnetOverlapCheck(), SubnetExhaustedCheck(), LinkDownCheck(), BridgePortCheck(), LeftoverLinkCheck(),
        LeftoverNamespaceCheck(),
    ]

    private static let balancers: [any Check] = [
        BalancerCheck(), BalancerTimeoutCheck(), TaskRouteCheck(), StaleBackendCheck(), MissingBackendCheck(),
        NoBackendCheck(),
    ]

    private static let ways: [any Check] = [
        PublishedPortCheck(), VirtualIPCheck(), ClosedPortCheck(), PortTakenCheck(), OutwardCheck(), ResolverCheck(),
        NamesCheck(),
    ]

    private static let daemons: [any Check] = [
        DaemonSilentCheck(), KernelDiffersCheck(), RefusedCheck(), PeerCheck(),
    ]
}
