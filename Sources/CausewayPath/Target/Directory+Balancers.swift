import CausewayKernel
import CausewayModel

/// Whose the marks are by which IPVS balances, and so the addresses and ports whose packets get them: a Swarm's shape,
/// whoever built it.
///
/// A service is known by any of its tasks here. An engine that is asked knows more; a node of ours has none that knows of
/// its networks of data path `classic`.
extension Directory {
    mutating func readBalancers() {
        for position in world.inventory.namespaces.indices where world.host(of: position) == world.home {
            let space = world[position]
            var names: [UInt32: String] = [:]
            for balanced in space.ipvs {
                guard case .mark(let mark) = balanced.key else { continue }
                names[mark] = balanced.destinations.compactMap { service(of: $0.address) }.first
            }
            guard !names.isEmpty else { continue }
            // On the network of published ports no name leads to a virtual address.
            let isIngress = space.bareName == "ingress_sbox"
            for table in space.iptables where table.name == "mangle" {
                for rule in table.chains.flatMap(\.rules) {
                    guard case .setMark(let mark, _)? = rule.target, let name = names[mark] else { continue }
                    if let address = rule.onlyDestination, !isIngress {
                        assign(address, to: name)
                    } else if let (transport, port) = rule.onlyPort, isIngress {
                        assign(transport, port, to: name)
                    }
                }
            }
        }
    }
}

extension IPTables.Rule {
    /// `-d ADDRESS/32`, and nothing else.
    fileprivate var onlyDestination: IPAddress? {
        guard matches.count == 1, case .destination(let network)? = matches.first, network.isHost else { return nil }
        return network.address
    }

    /// `-p tcp --dport PORT`, and nothing else.
    fileprivate var onlyPort: (Packet.Transport, UInt16)? {
        var transport: Packet.Transport?
        var port: UInt16?
        for match in matches {
            switch match {
            case .protocol(let number): transport = Packet.Transport.allCases.first { $0.number == number }
            case .destinationPort(let range) where range.count == 1: port = range.lowerBound
            default: return nil
            }
        }
        guard let transport, let port else { return nil }
        return (transport, port)
    }
}
