import CausewayModel

/// Divides a service's tasks evenly over the values of labels, as placement preferences ask.
///
/// Nodes with one value make a branch; the next preference divides each branch again. A node without the label has the
/// value "". The branch with the fewest tasks gets the next one, if one of its nodes can take it.
struct Spread: Sendable {
    /// The values of each node, in the order of the preferences.
    private let branches: [[String]]
    private var counts: [[String]: UInt64] = [:]

    init(_ preferences: [Swarm.Placement.Preference]?, of service: Swarm.ID, over loads: [NodeLoad]) {
        let descriptors = (preferences ?? []).compactMap(\.spread?.descriptor)
        branches = loads.map { load in descriptors.compactMap { Self.value(of: $0, load.node) } }
        for (branch, load) in zip(branches, loads) {
            for depth in 0..<branch.count {
                counts[Array(branch[...depth]), default: 0] += load.wantedTasks[service, default: 0]
            }
        }
    }

    /// Whether the branches of one node have fewer tasks than those of another; `nil` when they have as many.
    func prefers(_ index: Int, to other: Int) -> Bool? {
        for depth in branches[index].indices {
            let a = counts[Array(branches[index][...depth])] ?? 0
            let b = counts[Array(branches[other][...depth])] ?? 0
            if a != b { return a < b }
        }
        return nil
    }

    /// Only labels can be spread over; another descriptor divides nothing, as in Swarm.
    private static func value(of descriptor: String, _ node: Swarm.Node) -> String? {
        let kinds = [
            ("node.labels.", node.spec.labels), ("engine.labels.", node.description.engineLabels),
        ]
        for (prefix, labels) in kinds where descriptor.lowercased().hasPrefix(prefix) && descriptor.count > prefix.count
        {
            return labels[String(descriptor.dropFirst(prefix.count))] ?? ""
        }
        return nil
    }
}
