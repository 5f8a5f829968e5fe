import CausewayModel

/// IPVS and iptables: what packets are led to is there before they are led, and goes after.
extension PlanBuilder {
    mutating func addBalancers() {
        guard current.balancers != desired.balancers else { return }
        for service in desired.balancers.map(\.normalised).sorted(by: { $0.key < $1.key }) {
            guard let old = current.balancers.first(where: { $0.key == service.key })?.normalised else {
                take(.balancerAdd(service))
                continue
            }
            guard old.isAlike(service) else {
                // The kernel would change it, but not into every other one.
                take(.balancerDelete(service.key))
                take(.balancerAdd(service))
                continue
            }
            // Those that take connections come first: else there may be none for a moment, and IPVS refuses.
            for destination in service.destinations.filter({ $0.weight > 0 })
                + service.destinations.filter({ $0.weight == 0 })
            {
                switch old.destinations.first(where: { $0.isAt(destination) }) {
                case nil: take(.destinationAdd(service.key, destination))
                case destination?: break
                default: take(.destinationSet(service.key, destination))
                }
            }
        }
    }

    /// One step for each table that differs.
    mutating func changeFirewall() {
        guard current.firewall != desired.firewall else { return }
        let old = IPTables.normalised(current.firewall)
        let new = IPTables.normalised(desired.firewall)
        for table in new {
            let before = old.first { $0.family == table.family && $0.name == table.name }
            if before != table { take(.firewallChange(table, from: before)) }
        }
        for table in old where !new.contains(where: { $0.family == table.family && $0.name == table.name }) {
            take(.firewallChange(IPTables.Table(family: table.family, name: table.name), from: table))
        }
    }

    mutating func removeBalancers() {
        guard current.balancers != desired.balancers else { return }
        for old in current.balancers.sorted(by: { $0.key < $1.key }) {
            guard let service = desired.balancers.first(where: { $0.key == old.key }) else {
                take(.balancerDelete(old.key))
                continue
            }
            for destination in old.normalised.destinations
            where !service.destinations.contains(where: { $0.isAt(destination) }) {
                take(.destinationDelete(old.key, destination))
            }
        }
    }
}

extension KernelState {
    /// What a step about a balancer does.
    mutating func balance(_ step: Plan.Step) {
        switch step {
        case .balancerAdd(let service):
            balancers.append(service.normalised)
            balancers.sort { $0.key < $1.key }
        case .balancerDelete(let key): balancers.removeAll { $0.key == key }
        case .destinationAdd(let key, let destination): change(key) { $0.append(destination) }
        case .destinationSet(let key, let destination):
            change(key) { all in
                all.removeAll { $0.isAt(destination) }
                all.append(destination)
            }
        case .destinationDelete(let key, let destination): change(key) { $0.removeAll { $0.isAt(destination) } }
        default: break
        }
    }

    private mutating func change(_ key: IPVS.Key, _ body: (inout [IPVS.Destination]) -> Void) {
        guard let index = balancers.firstIndex(where: { $0.key == key }) else { return }
        body(&balancers[index].destinations)
        balancers[index] = balancers[index].normalised
    }
}
