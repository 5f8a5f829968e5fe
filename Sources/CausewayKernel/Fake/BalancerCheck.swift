import CausewayModel

/// Whether IPVS would take a step (`ip_vs_genl_set_cmd`).
struct BalancerCheck {
    let check: StepCheck

    func run() throws(KernelError) {
        switch check.step {
        case .balancerAdd(let service):
            try check.require(self.service(service.key) == nil, .alreadyExists, errno: 17, "\(service.key)")
            try check.require(!service.scheduler.isEmpty, .invalid, errno: 22, "no scheduler")
            let places = Swift.Set(service.destinations.map(\.place))
            try check.require(
                places.count == service.destinations.count, .alreadyExists, errno: 17, "a destination is there twice")
        case .balancerDelete(let key): _ = try known(key)
        case .destinationAdd(let key, let destination):
            let isTaken = try known(key).destinations.contains { $0.isAt(destination) }
            try check.require(!isTaken, .alreadyExists, errno: 17, destination.place)
        case .destinationSet(let key, let destination), .destinationDelete(let key, let destination):
            let isThere = try known(key).destinations.contains { $0.isAt(destination) }
            try check.require(isThere, .notFound, errno: 2, destination.place)
        default: break
        }
    }

    private func service(_ key: IPVS.Key) -> IPVS.Service? { check.state.balancers.first { $0.key == key } }

    private func known(_ key: IPVS.Key) throws(KernelError) -> IPVS.Service {
        guard let service = service(key) else {
            throw KernelError(
                step: check.step.description, reason: .notFound, errno: 3, detail: "no virtual service \(key)")
        }
        return service
    }
}

/// Whether iptables-restore would take a table's change.
struct FirewallCheck {
    let check: StepCheck
    let table: IPTables.Table
    let old: IPTables.Table?

    /// What is deleted is there; chains that are led to exist, and are not deleted while a rule leads to them.
    func run() throws(KernelError) {
        let known: Swift.Set = ["filter", "nat", "mangle", "raw", "security"]
        try check.require(known.contains(table.name), .notFound, errno: 2, "no table '\(table.name)'")
        let there = check.state.firewall.first { $0.family == table.family && $0.name == table.name }
        for chain in old?.normalised.chains ?? [] {
            let present = there?.chains.first { $0.name == chain.name }
            try check.require(present != nil || chain.isBuiltIn, .notFound, errno: 2, "no chain '\(chain.name)'")
            for rule in chain.rules {
                let isThere = present?.rules.contains { $0.text == rule.text } ?? false
                try check.require(isThere, .notFound, errno: 2, "no rule '\(rule.text)' in '\(chain.name)'")
            }
        }
        for rule in table.chains.flatMap(\.rules) {
            guard case .jump(let chain)? = rule.target, chain == IPTables.ingressChain else { continue }
            try check.require(
                table.chains.contains { $0.name == chain }, .notFound, errno: 2, "no chain '\(chain)' for: \(rule.text)"
            )
        }
    }
}
