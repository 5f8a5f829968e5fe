import CausewayModel

/// Published ports of mode ingress: one owner for each in the cluster; those not asked for are cut from 30000–32767.
package struct PortPool: Sendable {
    package static let range: ClosedRange<UInt16> = 30000...32767

    private struct Key: Hashable {
        var transport: Swarm.TransportProtocol
        var port: UInt16
    }

    private var used: Set<Key> = []
    /// The port given last, by protocol.
    package private(set) var cursors: [Swarm.TransportProtocol: UInt16]

    package init(
        _ services: some Sequence<Swarm.Service>, containers: [AttachedContainer] = [],
        cursors: [Swarm.TransportProtocol: UInt16]
    ) {
        self.cursors = cursors
        defer { for port in containers.flatMap(\.ports) { hold(port.publishedPort, port.protocol) } }
        for service in services where !service.isPendingDelete {
            for port in service.endpoint.ports + (service.spec.endpointSpec?.ports ?? [])
            where port.publishMode == .ingress {
                if let published = port.publishedPort { hold(published, port.protocol) }
            }
        }
        for transport in Swarm.TransportProtocol.allCases where cursors[transport] == nil {
            self.cursors[transport] =
                used.filter { $0.transport == transport && Self.range.contains($0.port) }.map(\.port).max()
        }
    }

    private mutating func hold(_ port: UInt16, _ transport: Swarm.TransportProtocol) {
        used.insert(Key(transport: transport, port: port))
    }

    /// Gives the next free port after the last given.
    package mutating func take(_ transport: Swarm.TransportProtocol) -> Result<UInt16, Shortage> {
        var next = cursors[transport] ?? Self.range.upperBound
        for _ in Self.range {
            next = next < Self.range.upperBound ? next + 1 : Self.range.lowerBound
            guard !used.contains(Key(transport: transport, port: next)) else { continue }
            hold(next, transport)
            cursors[transport] = next
            return .success(next)
        }
        return .failure(
            Shortage(
                "no free published port for \(transport.rawValue) in \(Self.range.lowerBound)-"
                    + "\(Self.range.upperBound): \(Self.range.count) of \(Self.range.count) used"))
    }
}
