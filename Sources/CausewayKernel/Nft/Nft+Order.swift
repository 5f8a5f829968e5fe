import CausewayModel

extension Nft.Value {
    /// -1, 0 or 1: numbers by size, addresses by their bytes, names by their letters, kinds apart.
    static func order(_ a: Nft.Value, _ b: Nft.Value) -> Int {
        switch (a, b) {
        case (.address(let a), .address(let b)): return order(a, b)
        case (.prefix(let a), .prefix(let b)): return order(a, b)
        case (.number(let a), .number(let b)): return order(a, b)
        case (.name(let a), .name(let b)), (.set(let a), .set(let b)): return order(a, b)
        case (.range(let a1, let a2), .range(let b1, let b2)): return order([a1, a2], [b1, b2])
        case (.anonymousSet(let a), .anonymousSet(let b)), (.concatenation(let a), .concatenation(let b)):
            return order(a, b)
        case (.anonymousMap(let a), .anonymousMap(let b)): return order(a.flatMap(\.key), b.flatMap(\.key))
        default: return order(a.rank, b.rank)
        }
    }

    /// As ``order(_:_:)`` of the first pair that differs; the shorter list first.
    static func order(_ a: [Nft.Value], _ b: [Nft.Value]) -> Int {
        for (a, b) in zip(a, b) {
            let result = order(a, b)
            if result != 0 { return result }
        }
        return order(a.count, b.count)
    }

    private static func order<T: Comparable>(_ a: T, _ b: T) -> Int { a < b ? -1 : a == b ? 0 : 1 }

    private var rank: Int {
        switch self {
        case .number: 0
        case .address: 1
        case .prefix: 2
        case .range: 3
        case .name: 4
        case .set: 5
        case .concatenation: 6
        case .anonymousSet: 7
        case .anonymousMap: 8
        }
    }
}

extension Nft.Element {
    /// Whether this element's key sorts before the other's.
    func precedes(_ other: Nft.Element) -> Bool { Nft.Value.order(key, other.key) < 0 }
}
