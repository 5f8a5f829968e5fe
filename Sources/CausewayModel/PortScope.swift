/// Where a published port is offered, and to whom.
///
/// From a service's labels `causeway.publish.PORT.bind` and `.from`, or from the address of `docker run -p`. What is
/// empty restricts nothing.
package struct PortScope: Hashable, Codable, Sendable {
    /// Addresses of the host that the port is bound to.
    package var addresses: [IPAddress]
    /// Links of the host that the port is bound to, by name.
    package var interfaces: [String]
    /// Who may connect; anybody else is refused as if nothing listened.
    package var sources: [CIDR]

    package init(addresses: [IPAddress] = [], interfaces: [String] = [], sources: [CIDR] = []) {
        self.addresses = addresses
        self.interfaces = interfaces
        self.sources = sources
    }

    package var isUnrestricted: Bool { addresses.isEmpty && interfaces.isEmpty && sources.isEmpty }
}

/// A port of a protocol.
package struct TransportPort: Hashable, Comparable, Codable, Sendable {
    package var `protocol`: Swarm.TransportProtocol
    package var port: UInt16

    package init(_ protocol: Swarm.TransportProtocol, _ port: UInt16) {
        self.protocol = `protocol`
        self.port = port
    }

    package static func < (a: Self, b: Self) -> Bool { (a.protocol, a.port) < (b.protocol, b.port) }
}
