import CausewayModel

/// The kernel's load balancer (ipvsadm(8)), as it is in one namespace.
package enum IPVS {
    /// A virtual service: what is balanced, how, and among whom.
    package struct Service: Hashable, Codable, Sendable {
        package var key: Key
        /// The scheduler's name: `rr`, `wrr`, `sh`, ….
        package var scheduler: String
        /// `ops` (each packet for itself), and the scheduler's own flags where they are known.
        package var flags: [String]
        /// How long a client stays with its destination, seconds; `nil`: each connection is scheduled for itself.
        package var persistence: UInt32?
        package var destinations: [Destination]

        package init(
            key: Key, scheduler: String, flags: [String] = [], persistence: UInt32? = nil,
            destinations: [Destination] = []
        ) {
            self.key = key
            self.scheduler = scheduler
            self.flags = flags
            self.persistence = persistence
            self.destinations = destinations
        }
    }

    /// By what a packet belongs to a service.
    package enum Key: Hashable, Codable, Sendable {
        /// The packet's mark, whatever its address and port.
        case mark(UInt32)
        /// Port 0 is every port of the address.
        case address(Swarm.TransportProtocol, IPAddress, port: UInt16)
    }

    /// A real server.
    package struct Destination: Hashable, Codable, Sendable {
        package var address: IPAddress
        /// 0 keeps the port that was asked for.
        package var port: UInt16
        package var method: Method
        /// 0 takes no new connections.
        package var weight: UInt32
        package var activeConnections: UInt32
        package var inactiveConnections: UInt32

        package init(
            address: IPAddress, port: UInt16, method: Method, weight: UInt32, activeConnections: UInt32 = 0,
            inactiveConnections: UInt32 = 0
        ) {
            self.address = address
            self.port = port
            self.method = method
            self.weight = weight
            self.activeConnections = activeConnections
            self.inactiveConnections = inactiveConnections
        }
    }

    /// How a packet gets to its destination.
    package enum Method: String, Hashable, Codable, Sendable {
        /// NAT: the destination address is changed, and changed back in answers.
        case masquerade
        /// Direct routing: the frame goes to the destination, the packet is left as it is.
        case route
        case tunnel
        /// The destination is this namespace itself.
        case local
        /// A way that is not known here.
        case unknown
    }
}

extension IPVS.Key: CustomStringConvertible {
    /// As ipvsadm lists it: `FWM 260`, `TCP 10.0.0.2:80`.
    package var description: String {
        switch self {
        case .mark(let mark): "FWM \(mark)"
        case .address(let transport, let address, let port):
            "\(transport.rawValue.uppercased()) "
                + (address.family == .ip ? "\(address):\(port)" : "[\(address)]:\(port)")
        }
    }
}
