import CausewayKernel
import Synchronization

/// The sets of an inventory, each made ready for look-ups when it is first asked for.
///
/// Many packets ask the same sets; a set of a thousand ports is read once, not for each.
final class CompiledSets: Sendable {
    private struct Key: Hashable {
        let namespace: UInt64
        let family: Nft.Family
        let table: String
        let set: String
        let kinds: [NameKind]
    }

    private let ready = Mutex<[Key: CompiledMap]>([:])

    func map(_ set: Nft.Set, _ kinds: [NameKind], in table: Nft.Table, of namespace: UInt64) -> CompiledMap {
        let key = Key(namespace: namespace, family: table.family, table: table.name, set: set.name, kinds: kinds)
        return ready.withLock { ready in
            if let map = ready[key] { return map }
            let map = CompiledMap(set.elements, kinds: kinds)
            ready[key] = map
            return map
        }
    }
}
