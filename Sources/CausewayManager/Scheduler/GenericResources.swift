import CausewayModel

/// The generic resources that a node has left.
///
/// A node has names of a kind, or a number of it.
package struct GenericResources: Hashable, Sendable {
    private var named: [Swarm.GenericResource] = []
    private var numbers: [String: Int64] = [:]

    package init(_ resources: [Swarm.GenericResource]) {
        for resource in resources {
            if let discrete = resource.discrete {
                numbers[discrete.kind, default: 0] += discrete.value
            } else {
                named.append(resource)
            }
        }
    }

    /// Whether there is as much as is asked for.
    package func hasEnough(for wanted: [Swarm.GenericResource]) -> Bool {
        var rest = self
        return wanted.allSatisfy { rest.claim($0) != nil }
    }

    /// Takes what is asked for and returns what it is: names, in the node's order, or numbers.
    package mutating func claim(_ wanted: [Swarm.GenericResource]) -> [Swarm.GenericResource] {
        wanted.flatMap { claim($0) ?? [] }
    }

    private mutating func claim(_ wanted: Swarm.GenericResource) -> [Swarm.GenericResource]? {
        guard let count = wanted.discrete?.value else { return nil }
        let names = named.filter { $0.kind == wanted.kind }
        if names.isEmpty {
            guard let left = numbers[wanted.kind], left >= count else { return nil }
            numbers[wanted.kind] = left - count
            return count > 0 ? [wanted] : []
        }
        guard Int64(names.count) >= count else { return nil }
        let taken = Array(names.prefix(Int(count)))
        for name in taken { take(name) }
        return taken
    }

    /// Takes what a task was given before; returns whether it was there.
    @discardableResult
    package mutating func take(_ given: Swarm.GenericResource) -> Bool {
        if let discrete = given.discrete {
            let left = numbers[discrete.kind] ?? 0
            numbers[discrete.kind] = left - discrete.value
            return left >= discrete.value
        }
        guard let index = named.firstIndex(of: given) else { return false }
        named.remove(at: index)
        return true
    }
}
