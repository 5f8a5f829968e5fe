/// What a repair put right, by the kind of thing.
package enum RepairKind: String, CaseIterable, Comparable, Hashable, Codable, CodingKeyRepresentable, Sendable {
    case link, address, route, neighbour, table, element, sysctl
    /// The entry in another's firewall.
    case forward
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
        case .routeAdd, .routeDelete: .route
        case .neighborAdd, .neighborDelete: .neighbour
        case .tableReplace, .tableDelete: .table
        case .elementsChange: .element
        case .sysctlSet: .sysctl
        case .forwardAcceptAdd, .forwardAcceptDelete: .forward
        }
    }
}
