import CausewayModel

/// What a step does, with all that the kernel does by itself along with it. Whether it may be taken is not asked.
extension KernelState {
    package mutating func apply(_ step: Plan.Step) {
        switch step {
        case .linkAdd(let link): links[link.name] = link
        case .linkSet(let link, let old): set(link, from: old)
        case .linkDelete(let link): removeLink(link.name)
        case .addressAdd(let address): addresses.insert(address)
        case .addressDelete(let address): removeAddresses { $0 == address }
        case .routeAdd(let route): routes.insert(route.normalised)
        case .routeDelete(let route): routes.remove(route.normalised)
        case .routeReplace(let route, let old):
            routes.remove(old.normalised)
            routes.insert(route.normalised)
        case .ruleAdd(let rule): rules.insert(rule)
        case .ruleDelete(let rule): rules.remove(rule)
        case .neighborAdd(let neighbor): neighbors.insert(neighbor)
        case .neighborDelete(let neighbor): neighbors.remove(neighbor)
        case .forwardingAdd(let entry): forwarding.insert(entry)
        case .forwardingDelete(let entry): forwarding.remove(entry)
        case .tableReplace(let table):
            removeTable(table.family, table.name)
            tables.append(table)
            tables.sort { ($0.family.rawValue, $0.name) < ($1.family.rawValue, $1.name) }
        case .tableDelete(let family, let name): removeTable(family, name)
        case .elementsChange(let family, let name, let delete, let add):
            guard let index = tables.firstIndex(where: { $0.family == family && $0.name == name }) else { return }
            tables[index].change(delete: delete, add: add)
        case .sysctlSet(let name, let value): sysctls[name] = value
        case .forwardAcceptAdd(let family): forwardAccepts.insert(family)
        case .forwardAcceptDelete(let family): forwardAccepts.remove(family)
        case .balancerAdd, .balancerDelete, .destinationAdd, .destinationSet, .destinationDelete: balance(step)
        case .firewallChange(let table, _):
            firewall.removeAll { $0.family == table.family && $0.name == table.name }
            firewall = IPTables.normalised(firewall + [table])
        }
    }

    /// A link that goes down loses its routes, its neighbours and its IPv6 addresses; one that gets another Ethernet
    /// address loses its neighbours.
    private mutating func set(_ link: Rtnl.Link, from old: Rtnl.Link) {
        var new = link
        new.address = link.address ?? old.address
        new.mtu = link.mtu ?? old.mtu
        links[link.name] = new
        if new.address != old.address || (old.isUp && !new.isUp) {
            neighbors = neighbors.filter { $0.link != link.name }
        }
        guard old.isUp, !new.isUp else { return }
        routes = routes.filter { $0.link != link.name }
        removeAddresses { $0.link == link.name && $0.address.family == .ip6 }
    }

    /// All that was on a link goes with it, its sysctls included.
    mutating func removeLink(_ name: String) {
        links[name] = nil
        for port in links.values where port.master == name { links[port.name]?.master = nil }
        routes = routes.filter { $0.link != name }
        neighbors = neighbors.filter { $0.link != name }
        if !forwarding.isEmpty { forwarding = forwarding.filter { $0.link != name } }
        sysctls = sysctls.filter { Self.link(ofSysctl: $0.key) != name }
        removeAddresses { $0.link == name }
    }

    /// Removes addresses, with what goes along.
    ///
    /// With its last IPv4 address a link loses its IPv4 routes and neighbours too; the loopback keeps 127.0.0.1. An
    /// IPv4 route of the main table goes with the last address that was its source; an IPv6 route forgets its source,
    /// if that was on its own link.
    private mutating func removeAddresses(where isGone: (Rtnl.Address) -> Bool) {
        let gone = addresses.filter(isGone)
        addresses.subtract(gone)
        let bare = Swift.Set(gone.filter { $0.address.family == .ip }.map(\.link))
            .subtracting(addresses.filter { $0.address.family == .ip }.map(\.link))
            .filter { links[$0]?.kind != .loopback }
        neighbors = neighbors.filter { $0.destination.family == .ip6 || !bare.contains($0.link) }
        let lost = Swift.Set(gone.map(\.address.address)).subtracting(addresses.map(\.address.address))
        for route in routes {
            if route.destination.family == .ip {
                let isBare = route.link.map(bare.contains) ?? false
                let isLost = route.table == 254 && (route.source.map(lost.contains) ?? false)
                if isBare || isLost { routes.remove(route) }
            } else if route.source.map(lost.contains) ?? false,
                gone.contains(where: { $0.link == route.link && $0.address.address == route.source })
            {
                var rest = route
                rest.source = nil
                routes.remove(route)
                routes.insert(rest)
            }
        }
    }

    private mutating func removeTable(_ family: Nft.Family, _ name: String) {
        tables.removeAll { $0.family == family && $0.name == name }
    }
}

extension Nft.Table {
    /// Takes elements out of the table's sets, then puts elements in; those sets' elements are then normalised.
    package mutating func change(delete: [Plan.SetElements], add: [Plan.SetElements]) {
        for part in delete { change(part) { entries, elements in elements.change(delete: entries, add: []) } }
        for part in add { change(part) { entries, elements in elements.change(delete: [], add: entries) } }
    }

    private mutating func change(
        _ part: Plan.SetElements, _ body: ([Nft.Elements.Entry], inout Nft.Elements) -> Void
    ) {
        guard let index = sets.firstIndex(where: { $0.name == part.set }) else { return }
        // What a plan found out is normalised; what somebody wrote may not be.
        let entries = part.key.isEmpty ? sets[index].entries(part.elements) : part.entries
        body(entries, &sets[index].keyed)
    }
}
