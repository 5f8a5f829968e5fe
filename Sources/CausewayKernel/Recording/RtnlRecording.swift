import CausewayModel

/// Reads what `ip -j` and `bridge -j` print in one namespace.
struct RtnlRecording {
    let place: Recording.Place
    let files: Recording
    /// What the namespace's own numbers for others stand for; 0 for one that has no name.
    let namespaces: [Int64: UInt64]

    // MARK: links

    func links() throws(RecordingError) -> [NamespaceState.Link] {
        let items = try files.list(place.file("link.json"))
        let indices = Dictionary(
            items.compactMap { item in
                item["ifname"]?.string.flatMap { name in number(item["ifindex"]).map { (name, $0) } }
            }
        ) { first, _ in first }
        return items.compactMap { link($0, indices) }
    }

    private func link(_ item: JSONValue, _ indices: [String: UInt32]) -> NamespaceState.Link? {
        guard let name = item["ifname"]?.string, let index = number(item["ifindex"]) else { return nil }
        let flags = Set(item["flags"]?.array?.compactMap(\.string) ?? [])
        let info = item["linkinfo"]
        let kind = info?["info_kind"]?.string ?? (flags.contains("LOOPBACK") ? "loopback" : "")
        let data = info?["info_data"]
        var link = NamespaceState.Link(
            index: index,
            link: Rtnl.Link(
                name: name, kind: self.kind(kind, data), address: item["address"]?.string.flatMap { MACAddress($0) },
                mtu: number(item["mtu"]), isUp: flags.contains("UP"), alias: item["ifalias"]?.string),
            controller: item["master"]?.string, hasCarrier: flags.contains("LOWER_UP"))
        let elsewhere = item["link_netnsid"]?.signed.map { namespaces[$0] ?? 0 }
        if kind == "veth" || kind == "netkit" {
            link.peerIndex = number(item["link_index"]) ?? item["link"]?.string.flatMap { indices[$0] }
            link.peerNamespace = elsewhere
        }
        if kind == "bridge" { link.bridge = bridge(data) }
        if kind == "vxlan" { link.tunnel = tunnel(data, underlay: elsewhere) }
        if info?["info_slave_kind"]?.string == "bridge" { link.port = port(info?["info_slave_data"]) }
        return link
    }

    private func kind(_ name: String, _ data: JSONValue?) -> Rtnl.Link.Kind {
        switch name {
        case "loopback": .loopback
        case "bridge": .bridge
        case "vxlan":
            .vxlan(
                id: number(data?["id"]) ?? 0,
                local: (data?["local"] ?? data?["local6"])?.string.flatMap { IPAddress($0) },
                port: number(data?["port"]).flatMap { UInt16(exactly: $0) } ?? 0)
        default: .other(name)
        }
    }

    private func bridge(_ data: JSONValue?) -> NamespaceState.Bridge {
        NamespaceState.Bridge(
            filtersVLANs: isSet(data?["vlan_filtering"]), callsIPTables: isSet(data?["nf_call_iptables"]))
    }

    private func tunnel(_ data: JSONValue?, underlay: UInt64?) -> NamespaceState.Tunnel {
        let remote = ["remote", "remote6", "group", "group6"].lazy
            .compactMap { data?[$0]?.string.flatMap { IPAddress($0) } }.first
        return NamespaceState.Tunnel(
            remote: remote, learns: isSet(data?["learning"]), answersNeighbors: isSet(data?["proxy"]),
            underlay: underlay)
    }

    private func port(_ data: JSONValue?) -> NamespaceState.BridgePort {
        NamespaceState.BridgePort(
            state: data?["state"]?.string ?? "forwarding", isHairpin: isSet(data?["hairpin"]),
            isIsolated: isSet(data?["isolated"]), learns: isSet(data?["learning"]), floods: isSet(data?["flood"]),
            suppressesNeighbors: isSet(data?["neigh_suppress"]))
    }

    // MARK: addresses and neighbours

    func addresses() throws(RecordingError) -> [Rtnl.Address] {
        try files.list(place.file("addr.json")).flatMap { link -> [Rtnl.Address] in
            guard let name = link["ifname"]?.string else { return [] }
            return (link["addr_info"]?.array ?? []).compactMap { item in
                guard let address = item["local"]?.string.flatMap({ IPAddress($0) }),
                    let length = number(item["prefixlen"]), let subnet = CIDR(address, Int(length))
                else { return nil }
                return Rtnl.Address(link: name, address: subnet)
            }
        }
    }

    /// Those that said who they are, and those that did not.
    func neighbors() throws(RecordingError) -> ([NamespaceState.Neighbor], [NamespaceState.Unanswered]) {
        var known: [NamespaceState.Neighbor] = []
        var unanswered: [NamespaceState.Unanswered] = []
        for item in try files.list(place.file("neigh.json")) where item["proxy"] == nil {
            guard let link = item["dev"]?.string, let destination = item["dst"]?.string.flatMap({ IPAddress($0) })
            else { continue }
            let state = item["state"]?.array?.first?.string?.lowercased() ?? "none"
            if let address = item["lladdr"]?.string.flatMap({ MACAddress($0) }) {
                let neighbor = Rtnl.Neighbor(link: link, destination: destination, address: address)
                known.append(NamespaceState.Neighbor(neighbor: neighbor, state: state))
            } else if ["incomplete", "failed"].contains(state) {
                unanswered.append(NamespaceState.Unanswered(link: link, destination: destination, state: state))
            }
        }
        return (known, unanswered)
    }

    /// Entries of VXLAN links themselves, and those of the bridges above.
    func forwarding() throws(RecordingError) -> ([Rtnl.ForwardingEntry], [NamespaceState.Station]) {
        var forwarding: [Rtnl.ForwardingEntry] = []
        var stations: [NamespaceState.Station] = []
        for item in try files.list(place.file("fdb.json")) {
            guard let link = item["ifname"]?.string, let address = item["mac"]?.string.flatMap({ MACAddress($0) })
            else { continue }
            let state = item["state"]?.string ?? ""
            let isSelf = item["flags"]?.array?.contains { $0.string == "self" } ?? false
            if let destination = item["dst"]?.string.flatMap({ IPAddress($0) }) {
                forwarding.append(
                    Rtnl.ForwardingEntry(
                        link: link, address: address, destination: destination,
                        isLearned: state == "permanent" || state == "static" ? nil : true))
            } else if let bridge = item["master"]?.string, !isSelf {
                stations.append(
                    NamespaceState.Station(
                        bridge: bridge, port: link, address: address, isOwn: state == "permanent",
                        isStatic: state == "permanent" || state == "static",
                        vlan: number(item["vlan"]).flatMap { UInt16(exactly: $0) }))
            }
        }
        return (forwarding, stations)
    }

    // MARK: values

    func number(_ value: JSONValue?) -> UInt32? { value?.unsigned.flatMap { UInt32(exactly: $0) } }

    /// `true`, or 1: programs differ.
    func isSet(_ value: JSONValue?) -> Bool { value?.isTrue ?? false || (value?.unsigned ?? 0) != 0 }
}
