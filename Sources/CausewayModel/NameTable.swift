/// The names that one task can resolve, as one immutable value: swapped whole, never edited.
///
/// Keys are lower case and without a final dot. A name is known even when it has no address of the family asked for.
package struct NameTable: Hashable, Codable, Sendable {
    package struct Entry: Hashable, Codable, Sendable {
        package var addresses: [IPAddress]
        /// Seconds that an answer may be kept.
        package var timeToLive: UInt32

        package init(addresses: [IPAddress], timeToLive: UInt32) {
            self.addresses = addresses
            self.timeToLive = timeToLive
        }
    }

    /// The port, UDP and TCP, that a task's resolver binds on ``listenAddress``.
    ///
    /// The task's own table redirects port 53 to it, because a task may itself listen on 0.0.0.0:53. It lies among
    /// Linux's ephemeral ports, which does no harm: it is bound before the task's first instruction.
    package static let listenPort: UInt16 = 47053
    /// The address of name resolution inside every task: Docker's.
    package static let listenAddress = IPAddress.v4(IPv4Address(rawValue: 0x7f00_000b))

    /// Host name → addresses.
    package var names: [String: Entry]
    /// Address → name, for PTR.
    package var reverse: [IPAddress: String]
    /// Subnets whose reverse zones are ours: an address in one that has no name is NXDOMAIN, and never asked upstream.
    package var ownSubnets: [CIDR]
    /// Name servers for everything else, asked from the host's namespace, in order.
    ///
    /// None: SERVFAIL.
    package var upstreams: [IPAddress]

    package init(
        names: [String: Entry] = [:], reverse: [IPAddress: String] = [:], ownSubnets: [CIDR] = [],
        upstreams: [IPAddress] = []
    ) {
        self.names = names
        self.reverse = reverse
        self.ownSubnets = ownSubnets
        self.upstreams = upstreams
    }
}
