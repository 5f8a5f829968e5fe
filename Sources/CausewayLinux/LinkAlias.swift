import CausewayKernel

/// What we write down at a link itself, so that the kernel can tell us all that we asked of it.
///
/// `causeway veth peer=eth0 netns=cw-web.1.abcdefgh [auto=address,mtu] TEXT` on the end that owns a pair,
/// `causeway link [auto=address,mtu] TEXT` on others. `auto` lists what was left to the kernel: it is not observed, so
/// that what is observed equals what was desired. A link without such an alias has all of it left to the kernel.
package struct LinkAlias: Hashable, Sendable, CustomStringConvertible {
    package var peer: (name: String, namespace: String)?
    package var isAddressAutomatic: Bool
    package var isMTUAutomatic: Bool
    package var text: String?

    package init(_ link: Rtnl.Link) {
        if case .veth(let peer, let namespace) = link.kind { self.peer = (peer, namespace) }
        isAddressAutomatic = link.address == nil
        isMTUAutomatic = link.mtu == nil
        text = link.alias
    }

    /// Reads a link's alias.
    ///
    /// One that we did not write is all text.
    package init(_ alias: String?) {
        (isAddressAutomatic, isMTUAutomatic) = (true, true)
        guard let alias, !alias.isEmpty else { return }
        var words = alias.split(separator: " ", omittingEmptySubsequences: false)[...]
        guard words.popFirst() == "causeway", let kind = words.popFirst(), kind == "veth" || kind == "link" else {
            text = alias
            return
        }
        if kind == "veth" {
            guard let peer = Self.value("peer", &words), let namespace = Self.value("netns", &words) else {
                text = alias
                return
            }
            self.peer = (peer, namespace)
        }
        let automatic = Self.value("auto", &words)?.split(separator: ",") ?? []
        isAddressAutomatic = automatic.contains("address")
        isMTUAutomatic = automatic.contains("mtu")
        text = words.isEmpty ? nil : words.joined(separator: " ")
    }

    private static func value(_ key: String, _ words: inout ArraySlice<Substring>) -> String? {
        guard let word = words.first, word.hasPrefix("\(key)=") else { return nil }
        words.removeFirst()
        return String(word.dropFirst(key.utf8.count + 1))
    }

    /// Whether a link's alias is one that we wrote.
    package static func isOurs(_ alias: String?) -> Bool {
        alias.map { $0.hasPrefix("causeway link") || $0.hasPrefix("causeway veth") } ?? false
    }

    /// What is written; empty when there is nothing to say.
    package var description: String {
        if peer == nil, isAddressAutomatic, isMTUAutomatic, text == nil { return "" }
        var words = ["causeway"]
        if let peer { words += ["veth", "peer=\(peer.name)", "netns=\(peer.namespace)"] } else { words.append("link") }
        let automatic = [isAddressAutomatic ? "address" : nil, isMTUAutomatic ? "mtu" : nil].compactMap { $0 }
        if !automatic.isEmpty || text?.hasPrefix("auto=") == true {
            words.append("auto=\(automatic.joined(separator: ","))")
        }
        if let text { words.append(text) }
        return words.joined(separator: " ")
    }

    package static func == (a: Self, b: Self) -> Bool { a.description == b.description }

    package func hash(into hasher: inout Hasher) { hasher.combine(description) }
}
