import CausewayModel

extension Plan: CustomStringConvertible {
    /// One line for each step, in the words of ip(8), nft(8) and sysctl(8); nothing for an empty plan.
    package var description: String { steps.map(\.description).joined(separator: "\n") }
}

extension Plan.Step: CustomStringConvertible {
    package var description: String {
        switch self {
        case .linkAdd(let link): "link add \(link.description)"
        case .linkSet(let link, let old): link.changes(from: old)
        case .linkDelete(let link): "link delete \(link.name)"
        case .addressAdd(let address): "address add \(address.description)"
        case .addressDelete(let address): "address delete \(address.description)"
        case .routeAdd(let route): "route add \(route.description)"
        case .routeDelete(let route): "route delete \(route.description)"
        case .routeReplace(let route, _): "route replace \(route.description)"
        case .ruleAdd(let rule): "rule add \(rule.description)"
        case .ruleDelete(let rule): "rule delete \(rule.description)"
        case .neighborAdd(let neighbor): "neighbour add \(neighbor.description)"
        case .neighborDelete(let neighbor): "neighbour delete \(neighbor.description)"
        case .forwardingAdd(let entry): "fdb add \(entry.description)"
        case .forwardingDelete(let entry): "fdb delete \(entry.description)"
        case .tableReplace(let table): "table replace \(table.summary)"
        case .tableDelete(let family, let name): "table delete \(family.rawValue) \(name)"
        case .elementsChange(let family, let table, let delete, let add):
            (delete.map { "element delete \(family.rawValue) \(table) \($0.summary)" }
                + add.map { "element add \(family.rawValue) \(table) \($0.summary)" }).joined(separator: "\n")
        case .sysctlSet(let name, let value): "sysctl \(name)=\(value)"
        case .forwardAcceptAdd(let family): "forward accept add \(family.rawValue)"
        case .forwardAcceptDelete(let family): "forward accept delete \(family.rawValue)"
        case .balancerAdd(let service):
            (["ipvsadm -A \(service.options)"]
                + service.destinations.map { "ipvsadm -a \($0.options(of: service.key))" })
                .joined(separator: "\n")
        case .balancerDelete(let key): "ipvsadm -D \(key.option)"
        case .destinationAdd(let key, let destination): "ipvsadm -a \(destination.options(of: key))"
        case .destinationSet(let key, let destination): "ipvsadm -e \(destination.options(of: key))"
        case .destinationDelete(let key, let destination): "ipvsadm -d \(key.option) -r \(destination.place)"
        case .firewallChange(let table, let old): table.changes(from: old).map(\.description).joined(separator: "\n")
        }
    }
}

extension Plan.SetElements {
    /// How many elements a description shows before it counts the rest.
    private static let shown = 4

    fileprivate var summary: String {
        let more = count - Self.shown
        let first = entries.prefix(Self.shown).flatMap(\.elements).prefix(Self.shown)
        let texts = first.map(\.text) + (more > 0 ? ["\(more) more"] : [])
        return "\(set) { \(texts.joined(separator: ", ")) }"
    }
}

extension Nft.Table {
    fileprivate var summary: String {
        func count(_ number: Int, _ name: String) -> String { "\(number) \(name)\(number == 1 ? "" : "s")" }
        return "\(family.rawValue) \(self.name) ("
            + [
                count(sets.count, "set"), count(sets.map(\.count).reduce(0, +), "element"),
                count(chains.count, "chain"), count(chains.map(\.rules.count).reduce(0, +), "rule"),
            ].joined(separator: ", ") + ")"
    }
}

extension Rtnl.Link: CustomStringConvertible {
    /// As after `ip link add`.
    package var description: String {
        ([name, "type \(kind)"] + attributes(besides: nil)).joined(separator: " ")
    }

    fileprivate func changes(from old: Rtnl.Link) -> String {
        (["link set \(name)"] + attributes(besides: old)).joined(separator: " ")
    }

    /// The attributes that differ from another link's, or all that are set.
    private func attributes(besides old: Rtnl.Link?) -> [String] {
        var words: [String] = []
        if let address, address != old?.address { words.append("address \(address)") }
        if let mtu, mtu != old?.mtu { words.append("mtu \(mtu)") }
        if master != old?.master { words.append(master.map { "master \($0)" } ?? "nomaster") }
        if alias != old?.alias { words.append("alias \"\(alias ?? "")\"") }
        if isUp != (old?.isUp ?? false) { words.append(isUp ? "up" : "down") }
        if checksumOffload != old?.checksumOffload { words.append("tx \(checksumOffload == false ? "off" : "on")") }
        return words
    }
}

extension Rtnl.Link.Kind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .veth(let peer, let namespace): "veth peer \(peer) netns \(namespace)"
        case .vethPeer: "veth"
        case .loopback: "loopback"
        case .bridge: "bridge"
        case .vxlan(let id, let local, let port):
            "vxlan id \(id)" + (local.map { " local \($0)" } ?? "") + " dstport \(port)"
        case .overlayVxlan(let id, let local, let port):
            "vxlan id \(id) local \(local) dstport \(port) nolearning proxy l2miss l3miss"
        case .other(let name): name.isEmpty ? "physical" : name
        }
    }
}

extension Rtnl.Address: CustomStringConvertible {
    package var description: String { "\(address) dev \(link)" }
}

extension Rtnl.Neighbor: CustomStringConvertible {
    package var description: String { "\(destination) lladdr \(address) dev \(link)" }
}

extension Rtnl.Route: CustomStringConvertible {
    /// As after `ip route add`; the protocol only where it is not ours.
    package var description: String {
        var words: [String] = kind == .unicast ? [] : [kind.rawValue]
        switch destination.prefixLength {
        case 0: words.append(destination.family == .ip ? "default" : "::/0")
        case destination.family.width: words.append(destination.address.description)
        default: words.append(destination.description)
        }
        if let gateway { words.append("via \(gateway)") }
        if let link { words.append("dev \(link)") }
        if let source { words.append("src \(source)") }
        if table != 254 { words.append("table \(table)") }
        if metric != 0, !(destination.family == .ip6 && metric == 1024) { words.append("metric \(metric)") }
        if scope != .global { words.append("scope \(scope.rawValue)") }
        if let mtu { words.append("mtu \(mtu)") }
        if isOnLink { words.append("onlink") }
        if `protocol` != Rtnl.causewayProtocol { words.append("proto \(`protocol`)") }
        return words.joined(separator: " ")
    }
}

extension Rtnl.ForwardingEntry: CustomStringConvertible {
    /// As after `bridge fdb add`.
    package var description: String { "\(address) dev \(link) dst \(destination) self permanent" }
}

extension NamespaceState.PolicyRule: CustomStringConvertible {
    /// As after `ip rule add`, the family first where it is IPv6; the protocol only where it is not ours.
    package var description: String {
        var words = family == .ip ? [] : ["-6"]
        words.append("pref \(priority)")
        if isInverted { words.append("not") }
        if let from { words.append("from \(from)") }
        if let to { words.append("to \(to)") }
        if let incomingLink { words.append("iif \(incomingLink)") }
        if let outgoingLink { words.append("oif \(outgoingLink)") }
        if mark != nil || markMask != nil {
            let mask = markMask.map { $0 == .max ? "" : "/0x\(String($0, radix: 16))" } ?? ""
            words.append("fwmark 0x\(String(mark ?? 0, radix: 16))\(mask)")
        }
        words.append(action)
        if let number = table ?? target { words.append("\(number)") }
        if let `protocol`, `protocol` != Rtnl.causewayProtocol { words.append("proto \(`protocol`)") }
        return words.joined(separator: " ")
    }
}
