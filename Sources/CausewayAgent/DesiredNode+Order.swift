import CausewayKernel

extension DesiredNode {
    subscript(place: NamespaceReference) -> KernelState? {
        switch place {
        case .host: host
        case .task(let name): namespaces[name]
        }
    }

    /// Namespaces whose links have their other ends in others before those others; else by name.
    package var namesInOrder: [String] {
        let owners = Set(namespaces.filter { $0.value.links.values.contains { $0.kind.peerNamespace != nil } }.keys)
        return owners.sorted() + namespaces.keys.filter { !owners.contains($0) }.sorted()
    }

    /// Who owns the pair of which one end has a name in a namespace.
    func owner(of end: String, in namespace: String) -> (NamespaceReference, Rtnl.Link)? {
        let kind = Rtnl.Link.Kind.veth(peer: end, namespace: namespace)
        if let link = host.links.values.first(where: { $0.kind == kind }) { return (.host, link) }
        for (name, state) in namespaces {
            if let link = state.links.values.first(where: { $0.kind == kind }) { return (.task(name), link) }
        }
        return nil
    }

    /// The namespaces, the host's aside, of which links have their ends in some others.
    func owners(ofLinksInto names: [String]) -> [NamespaceReference] {
        guard !names.isEmpty else { return [] }
        return namespaces.filter { _, state in
            state.links.values.contains { $0.kind.peerNamespace.map(names.contains) ?? false }
        }.map { .task($0.key) }
    }
}

extension Rtnl.Link.Kind {
    /// Where a pair's other end is.
    fileprivate var peerNamespace: String? {
        if case .veth(_, let namespace) = self { namespace } else { nil }
    }
}
