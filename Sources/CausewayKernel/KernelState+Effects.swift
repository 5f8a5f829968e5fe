import CausewayModel

/// What a step does, with all that the kernel does by itself along with it. Whether it may be taken is not asked.
extension KernelState {
    mutating func apply(_ step: Plan.Step) {
        switch step {
        case .linkAdd(let link): links[link.name] = link
        case .linkSet(let link, let old): set(link, from: old)
        case .linkDelete(let link): removeLink(link.name)
        case .addressAdd(let address): addresses.insert(address)
        case .addressDelete(let address):
            addresses.remove(address)
            forgetSources([address.address.address])
        case .routeAdd(let route): routes.insert(route)
        case .routeDelete(let route): routes.remove(route)
        case .neighborAdd(let neighbor): neighbors.insert(neighbor)
        case .neighborDelete(let neighbor): neighbors.remove(neighbor)
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
        routes = routes.filter { $0.link != name }
        neighbors = neighbors.filter { $0.link != name }
        sysctls = sysctls.filter { Self.link(ofSysctl: $0.key) != name }
        removeAddresses { $0.link == name }
    }

    private mutating func removeAddresses(where isGone: (Rtnl.Address) -> Bool) {
        let gone = addresses.filter(isGone)
        addresses.subtract(gone)
        forgetSources(gone.map(\.address.address))
    }

    /// An IPv4 route goes when its source is no address of ours any more; an IPv6 route only forgets it.
    private mutating func forgetSources(_ gone: [IPAddress]) {
        let lost = Swift.Set(gone).subtracting(addresses.map(\.address.address))
        guard !lost.isEmpty else { return }
        for route in routes {
            guard let source = route.source, lost.contains(source) else { continue }
            routes.remove(route)
            if source.family == .ip6 {
                var rest = route
                rest.source = nil
                routes.insert(rest)
            }
        }
    }

    private mutating func removeTable(_ family: Nft.Family, _ name: String) {
        tables.removeAll { $0.family == family && $0.name == name }
    }
}

extension Nft.Table {
    /// Takes elements out of the table's sets, then puts elements in; each set's elements are then in order.
    mutating func change(delete: [Plan.SetElements], add: [Plan.SetElements]) {
        for part in delete {
            guard let index = sets.firstIndex(where: { $0.name == part.set }) else { continue }
            let keys = Swift.Set(part.elements.map(\.key))
            sets[index].elements.removeAll { keys.contains($0.key) }
        }
        for part in add {
            guard let index = sets.firstIndex(where: { $0.name == part.set }) else { continue }
            let keys = Swift.Set(part.elements.map(\.key))
            sets[index].elements.removeAll { keys.contains($0.key) }
            sets[index].elements += part.elements
            sets[index].elements.sort { $0.precedes($1) }
        }
    }
}
