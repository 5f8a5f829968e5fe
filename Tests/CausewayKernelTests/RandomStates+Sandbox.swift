import CausewayKernel
import CausewayModel

/// What Swarm's sandboxes have.
extension RandomStates {
    mutating func addSandbox(_ state: inout KernelState) {
        addPorts(&state)
        for mark in 256...259 as ClosedRange<UInt32> where generator.chance(60) {
            state.balancers.append(service(.mark(mark)))
        }
        if generator.chance(30) { state.balancers.append(service(.address(.tcp, ip("10.0.0.4"), port: 80))) }
        state.balancers = state.balancers.map(\.normalised).sorted { $0.key < $1.key }
        for name in ["mangle", "nat", "filter"] where generator.chance(70) { state.firewall.append(table(name)) }
        state.firewall = IPTables.normalised(state.firewall)
    }

    private mutating func addPorts(_ state: inout KernelState) {
        let bridges = state.links.values.filter { $0.kind == .bridge }.map(\.name).sorted()
        guard !bridges.isEmpty else { return }
        for link in state.links.values.sorted(by: { $0.name < $1.name })
        where link.kind != .bridge && link.kind != .loopback && generator.chance(60) {
            state.links[link.name]?.master = generator.pick(bridges)
        }
    }

    private mutating func service(_ key: IPVS.Key) -> IPVS.Service {
        var service = IPVS.Service(key: key, scheduler: generator.pick(["rr", "rr", "wrr"]))
        if generator.chance(20) { service.persistence = 300 }
        for last in 5...8 where generator.chance(60) {
            service.destinations.append(
                IPVS.Destination(
                    address: ip("10.0.0.\(last)"), port: generator.pick([0, 0, 80]),
                    method: generator.pick([.masquerade, .masquerade, .route]), weight: generator.pick([0, 1])))
        }
        return service
    }

    /// Rules may be there twice, and in any order; a chain of ours has rules that lead to it, or none.
    private mutating func table(_ name: String) -> IPTables.Table {
        var table = IPTables.Table(family: .ip, name: name)
        let ports = [8080, 8081, 8082]
        for chain in ["PREROUTING", "OUTPUT", "INPUT"] where generator.chance(60) {
            let texts = (0..<generator.pick([1, 2, 3])).map { _ in
                "-p tcp -m tcp --dport \(generator.pick(ports)) -j MARK --set-xmark 0x\(generator.pick(["101", "102"]))/0xffffffff"
            }
            table.chains.append(IPTables.Chain(name: chain, rules: texts.map { IPTables.Rule($0) }))
        }
        if generator.chance(60) {
            var chain = IPTables.Chain(name: IPTables.ingressChain)
            for port in ports where generator.chance(60) {
                chain.rules.append(IPTables.Rule("-p tcp -m tcp --dport \(port) -j ACCEPT"))
            }
            if generator.chance(40) { chain.rules.reverse() }
            chain.rules.append(IPTables.Rule("-j RETURN"))
            table.chains.append(chain)
            table.chains.append(
                IPTables.Chain(name: "FORWARD", rules: [IPTables.Rule("-j \(IPTables.ingressChain)")]))
        }
        return table
    }
}
