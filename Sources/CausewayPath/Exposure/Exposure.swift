import CausewayModel

/// What of a host can be reached from outside, from where, and where its firewall says something else.
package struct Exposure: Hashable, Codable, Sendable {
    package var hostname: String
    /// The task, container or host that calls; `nil`: everybody outside.
    package var from: String?
    /// The host's links that lead outside, sorted.
    package var links: [String]
    /// Sorted by port, protocol and address.
    package var openings: [Opening]
    package var disagreements: [Disagreement]
    /// Published ports that nobody outside can reach, sorted.
    package var unreachable: [Unreachable]
    /// Rules that were met and not understood: what depends on them is likely, not certain.
    package var unknown: [String]

    /// Neighbouring ports of one address that the same clients reach, and that lead to the same.
    package struct Opening: Hashable, Codable, Sendable {
        package var transport: Packet.Transport
        package var firstPort: UInt16
        package var lastPort: UInt16
        package var address: IPAddress
        package var from: [Sources]
        package var leadsTo: Target
        /// Rules on the way that were not understood; empty: this is certain.
        package var unknown: [String]
    }

    /// Clients: all addresses of a prefix but for some.
    package struct Sources: Hashable, Codable, Sendable {
        package var prefix: CIDR
        package var except: [CIDR]
        /// The link by which they come in.
        package var link: String
    }

    /// What takes the packets.
    package struct Target: Hashable, Codable, Sendable {
        package enum Kind: String, Hashable, Codable, Sendable {
            /// Tasks of a service.
            case service
            /// A container that is no task.
            case container
            /// A process in the host's own namespace.
            case process
        }

        package var kind: Kind
        /// The service, the container, or the process.
        package var name: String
        /// Of a service: those that the packet may come to, by name.
        package var tasks: [String]
        /// Where it arrives; `nil` when it is the port that was asked for, and more than one was.
        package var port: UInt16?
        package var processID: Int32?
    }

    /// A port about which the host's own filter of incoming packets says something else than what happens.
    package struct Disagreement: Hashable, Codable, Sendable {
        package enum Kind: String, Hashable, Codable, Sendable {
            /// Refused by the firewall's rules for the host, and reachable: the packet is forwarded instead.
            case refusedButReachable
            /// Let in by the firewall, and nothing is behind it.
            case allowedButClosed
        }

        package var kind: Kind
        package var transport: Packet.Transport
        package var firstPort: UInt16
        package var lastPort: UInt16
        package var addresses: [IPAddress]
        /// What the firewall says, with the rule.
        package var firewall: String
        /// What happens, and what can be done.
        package var reality: String
    }

    package struct Unreachable: Hashable, Codable, Sendable {
        package var transport: Packet.Transport
        package var port: UInt16
        package var service: String?
        /// What becomes of a packet from outside to the host's first address.
        package var why: String
    }

    package var isCertain: Bool { unknown.isEmpty }
}
