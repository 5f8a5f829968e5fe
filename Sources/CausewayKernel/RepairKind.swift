/// What a repair put right, by the kind of thing.
package enum RepairKind: String, CaseIterable, Comparable, Hashable, Codable, CodingKeyRepresentable, Sendable {
    case link, address, route, rule, neighbour, table, element, sysctl
    /// Of the tunnel.
    case forwarding
    /// The entry in another's firewall.
    case forward
    /// A service of IPVS, or one of its destinations.
    case balancer
    /// Rules of iptables.
    case firewall
    /// A namespace whose name was taken away.
    case namespace

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension Plan.Step {
    /// What kind of thing this step is about.
    package var kind: RepairKind {
        switch self {
        case .linkAdd, .linkSet, .linkDelete: .link
        case .addressAdd, .addressDelete: .address
        case .routeAdd, .routeDelete, .routeReplace: .route
        case .ruleAdd, .ruleDelete: .rule
        case .neighborAdd, .neighborDelete: .neighbour
        case .forwardingAdd, .forwardingDelete: .forwarding
        case .tableReplace, .tableDelete: .table
        case .elementsChange: .element
        case .sysctlSet: .sysctl
        case .forwardAcceptAdd, .forwardAcceptDelete: .forward
        case .balancerAdd, .balancerDelete, .destinationAdd, .destinationSet, .destinationDelete: .balancer
        case .firewallChange: .firewall
        }
    }
}
