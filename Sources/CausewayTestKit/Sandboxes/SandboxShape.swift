import CausewayKernel
import CausewayModel

/// What a cluster's sandboxes hold, in lines that have roles' names where the cluster chose.
package struct SandboxShape: Hashable, Sendable {
    /// `node1 balancer of ingress` → `links` → its lines: in the kernel's order where that matters, else sorted.
    package private(set) var places: [String: [String: [String]]] = [:]

    package init(_ hosts: [Inventory], renaming: [String: String] = [:]) {
        let names = SandboxNames(hosts, renaming: renaming)
        for (number, host) in hosts.enumerated() {
            for space in host.namespaces {
                let place = SandboxNames.Place(host: number, inode: space.inode)
                guard let role = names.places[place] else { continue }
                let lines = SandboxLines(space, role, place, names, host)
                places["node\(number + 1) \(role.name)"] = lines.sections.filter { !$0.value.isEmpty }
            }
        }
    }
}

/// One namespace in lines.
private struct SandboxLines {
    let space: NamespaceState
    let role: SandboxNames.Role
    let place: SandboxNames.Place
    let names: SandboxNames
    let host: Inventory

    init(
        _ space: NamespaceState, _ role: SandboxNames.Role, _ place: SandboxNames.Place, _ names: SandboxNames,
        _ host: Inventory
    ) {
        (self.space, self.role, self.place, self.names, self.host) = (space, role, place, names, host)
    }

    private var isHost: Bool { role == .host }

    var sections: [String: [String]] {
        var sections = [
            "links": links, "addresses": addresses, "routes": routes, "neighbours": neighbors,
            "forwarding": forwarding, "balancer": balancer, "sysctls": sysctls,
        ].mapValues { $0.sorted() }
        for table in space.iptables where table.family == .ip {
            let rules = SandboxRules(table, names, place)
            for chain in table.chains where !isHost || chain.name == "DOCKER-INGRESS" || rules.isOfSwarm(chain) {
                sections["iptables \(table.name) \(chain.name)"] = rules.lines(chain, isHost: isHost)
            }
        }
        return sections
    }

    // MARK: links

    /// Of the host those that belong to docker_gwbridge.
    private var ownLinks: [NamespaceState.Link] {
        space.links.filter { link in
            link.link.kind != .loopback
                && (!isHost || link.link.name == SandboxNames.bridge || link.controller == SandboxNames.bridge)
        }
    }

    private var links: [String] {
        ownLinks.map { link in
            var words = [name(link.link.name), kind(link)]
            if let controller = link.controller { words.append("master \(controller)") }
            if let mtu = link.link.mtu { words.append("mtu \(mtu)") }
            words.append(link.link.isUp ? "up" : "down")
            // Others are made by chance.
            if isEnd(link), let address = link.link.address {
                words.append("address \(names.station(address, place.host))")
            }
            return words.joined(separator: " ")
        }
    }

    /// The names of ports are of no meaning, those of all others are.
    private func name(_ link: String) -> String {
        guard let port = space.links.first(where: { $0.link.name == link && $0.controller != nil }),
            SandboxNames.tunnel(port.link.kind) == nil
        else { return link }
        return "port"
    }

    private func kind(_ link: NamespaceState.Link) -> String {
        if SandboxNames.tunnel(link.link.kind) != nil { return tunnel(link) }
        switch link.link.kind {
        case .bridge: return "bridge"
        case .loopback: return "loopback"
        default: return "veth to \(peer(link) ?? "nobody")"
        }
    }

    private func tunnel(_ link: NamespaceState.Link) -> String {
        let local = SandboxNames.local(link.link.kind)
        return [
            "vxlan of \(SandboxNames.tunnel(link.link.kind).flatMap { names.networks[$0] } ?? "?")",
            local.map { "from \(names.address($0, place.host))" } ?? "from any address",
            link.tunnel?.answersNeighbors == true ? "proxy" : "noproxy",
            link.tunnel?.learns == true ? "learning" : "nolearning",
        ].joined(separator: " ")
    }

    /// An end of a pair that is no bridge's port.
    private func isEnd(_ link: NamespaceState.Link) -> Bool {
        link.controller == nil && link.link.kind != .bridge && SandboxNames.tunnel(link.link.kind) == nil
    }

    /// The other end, and where it is.
    private func peer(_ link: NamespaceState.Link) -> String? {
        guard let index = link.peerIndex else { return nil }
        let inode = link.peerNamespace ?? space.inode
        guard let other = host.namespaces.first(where: { $0.inode == inode }),
            let role = names.places[SandboxNames.Place(host: place.host, inode: inode)],
            let end = other.links.first(where: { $0.index == index })
        else { return nil }
        return role.name + " " + (end.controller == nil ? end.link.name : "port")
    }

    // MARK: addresses and ways

    private var addresses: [String] {
        let own = Set(ownLinks.map(\.link.name))
        return space.addresses.filter { own.contains($0.link) && $0.address.family == .ip }.map {
            "\(names.address($0.address.address, place.host))/\($0.address.prefixLength) dev \($0.link)"
        }
    }

    /// What is not there because an address is.
    private var routes: [String] {
        let own = Set(ownLinks.map(\.link.name))
        return space.routes.filter { route in
            route.destination.family == .ip && route.protocol != 2 && route.table != 255
                && (route.link.map { own.contains($0) } ?? !isHost)
        }.map { route in
            var words = [route.destination.prefixLength == 0 ? "default" : names.subnet(route.destination, place.host)]
            if let gateway = route.gateway { words.append("via \(names.address(gateway, place.host))") }
            if let link = route.link { words.append("dev \(link)") }
            if route.kind != .unicast { words.insert(route.kind.rawValue, at: 0) }
            return words.joined(separator: " ")
        }
    }

    private var neighbors: [String] {
        guard !isHost else { return [] }
        return space.neighbors.filter { $0.state == "permanent" && $0.neighbor.destination.family == .ip }.map {
            "\(names.address($0.neighbor.destination, place.host)) is "
                + "\(names.station($0.neighbor.address, place.host)) dev \($0.neighbor.link)"
        }
    }

    private var forwarding: [String] {
        guard !isHost else { return [] }
        return space.forwarding.filter { $0.isLearned != true }.map {
            "\(names.station($0.address, place.host)) by \(names.address($0.destination, place.host)) dev \($0.link)"
        }
    }

    // MARK: the balancer, and switches

    private var balancer: [String] {
        space.ipvs.flatMap { service in
            let key: String
            if case .mark(let mark) = service.key { key = names.mark(mark, place) } else { key = "\(service.key)" }
            let flags = service.flags + (service.persistence.map { ["persistent \($0) s"] } ?? [])
            return [([key, service.scheduler] + flags).joined(separator: " ")]
                + service.destinations.map {
                    "\(key) to \(names.address($0.address, place.host)):\($0.port) \($0.method.rawValue) "
                        + "weight \($0.weight)"
                }
        }
    }

    private var sysctls: [String] {
        let wanted: [String]
        switch role {
        case .host: wanted = ["net.ipv4.conf.\(SandboxNames.bridge).route_localnet", "net.ipv4.ip_forward"]
        case .balancer: wanted = ["net.ipv4.ip_forward"] + Self.balancerSwitches
        case .overlay, .task: wanted = []
        }
        return wanted.compactMap { name in space.sysctls[name].map { "\(name) = \($0)" } }
    }

    private static let balancerSwitches = [
        "conntrack", "expire_nodest_conn", "conn_reuse_mode", "expire_quiescent_template",
    ].map { "net.ipv4.vs." + $0 }
}
