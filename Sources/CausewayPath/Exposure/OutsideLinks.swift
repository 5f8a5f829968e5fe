import CausewayKernel
import CausewayModel

extension World {
    /// The first host's.
    var outsideLinks: Set<String> { inventory.namespaces.isEmpty ? [] : outsideLinks(of: 0) }

    /// A host's links that lead outside: not to a task or a container, nor a bridge that has nothing but those.
    func outsideLinks(of host: Int) -> Set<String> {
        let up = self[host].links.filter { $0.link.isUp && $0.link.kind != .loopback }
        let bridges = up.filter { isBridge($0, host) }.map(\.link.name)
        let ends = up.filter { !isBridge($0, host) && !leadsInside($0, host) }
        return Set(ends.filter { $0.controller == nil }.map(\.link.name))
            .union(bridges.filter { name in ends.contains { $0.controller == name } })
    }

    private func isBridge(_ link: NamespaceState.Link, _ host: Int) -> Bool {
        if case .bridge = link.link.kind { return true }
        // A bridge without its kind: something else is its port, or Docker's name says it.
        return self[host].links.contains { $0.controller == link.link.name }
    }

    private func leadsInside(_ link: NamespaceState.Link, _ host: Int) -> Bool {
        if link.link.name.hasPrefix(Rtnl.linkPrefix) { return true }
        guard let peer = peer(of: link, in: host) else {
            // The end of a container that was not read.
            return link.link.name.hasPrefix("veth") && link.peerIndex != nil
        }
        return peer.position == host || identity(peer.position).name != nil
            || engines.part(namespaceName: self[peer.position].bareName) != nil
    }
}
