import CausewayKernel
import CausewayModel

/// How the sandboxes of one cluster differ from those of another one that runs the same services in the same places.
///
/// Compared is what Docker Swarm's data path consists of: links, addresses, routes, permanent neighbours and forwarding
/// entries, IPVS, iptables, a few sysctls, in the namespaces of networks, balancers and tasks, and on the host what
/// belongs to docker_gwbridge and to published ports. What a cluster chooses for itself has the name of its role
/// instead (``SandboxNames``), so it may differ. Sockets, counters, connections, and what was learned are left out.
package struct SandboxComparison: Sendable {
    /// One thing that only one of both has.
    package struct Difference: Hashable, Sendable, CustomStringConvertible {
        /// A node and what it is there: `node1 balancer of ingress`.
        package var place: String
        /// `iptables mangle PREROUTING`, `links`, ….
        package var section: String
        package var text: String
        /// Whether it is the first that has it.
        package var isOfFirst: Bool

        package var description: String { "\(isOfFirst ? "-" : "+") \(place), \(section): \(text)" }
    }

    /// By place and section; what only the first has comes before what only the second has.
    package let differences: [Difference]

    /// Each cluster's nodes in their order: the first of one is compared with the first of the other.
    ///
    /// `renaming` gives the second's services and containers the names of the first's.
    package init(_ first: [Inventory], _ second: [Inventory], renaming: [String: String] = [:]) {
        self.init(SandboxShape(first), SandboxShape(second, renaming: renaming))
    }

    package init(_ first: SandboxShape, _ second: SandboxShape) {
        var found: [Difference] = []
        for place in Set(first.places.keys).union(second.places.keys).sorted() {
            guard let mine = first.places[place], let other = second.places[place] else {
                found.append(
                    Difference(
                        place: place, section: "namespace", text: "is there", isOfFirst: first.places[place] != nil))
                continue
            }
            for section in Set(mine.keys).union(other.keys).sorted() {
                found += Self.lines(mine[section] ?? [], other[section] ?? []).map { text, isOfFirst in
                    Difference(place: place, section: section, text: text, isOfFirst: isOfFirst)
                }
            }
        }
        differences = found
    }

    private static func lines(_ first: [String], _ second: [String]) -> [(String, Bool)] {
        let difference = second.difference(from: first)
        func text(_ change: CollectionDifference<String>.Change) -> String {
            switch change {
            case .insert(_, let text, _), .remove(_, let text, _): text
            }
        }
        return difference.removals.map { (text($0), true) } + difference.insertions.map { (text($0), false) }
    }
}

extension SandboxComparison: CustomStringConvertible {
    package var description: String { differences.map { "\($0)\n" }.joined() }
}
