import CausewayKernel
import CausewayModel

extension World {
    /// The host's links that lead outside: not to a task or a container, nor a bridge that has nothing but those.
    var outsideLinks: Set<String> {
        guard !inventory.namespaces.isEmpty else { return [] }
        let up = self[0].links.filter { $0.link.isUp && $0.link.kind != .loopback }
        let bridges = up.filter { isBridge($0) }.map(\.link.name)
        let ends = up.filter { !isBridge($0) && !leadsInside($0) }
        return Set(ends.filter { $0.controller == nil }.map(\.link.name))
            .union(bridges.filter { name in ends.contains { $0.controller == name } })
    }

    private func isBridge(_ link: NamespaceState.Link) -> Bool {
        if case .bridge = link.link.kind { return true }
        // A bridge without its kind: something else is its port, or Docker's name says it.
        return self[0].links.contains { $0.controller == link.link.name }
    }

    private func leadsInside(_ link: NamespaceState.Link) -> Bool {
        if link.link.name.hasPrefix(Rtnl.linkPrefix) { return true }
        guard let peer = peer(of: link, in: 0) else {
            // The end of a container that was not read.
            return link.link.name.hasPrefix("veth") && link.peerIndex != nil
        }
        return peer.position == 0 || identity(peer.position).name != nil
    }
}
