import CausewayDNS

/// What a keeper has done since it was started, upgrades in place included.
package struct KeeperCounters: Codable, Hashable, Sendable {
    package struct Relay: Codable, Hashable, Sendable {
        /// Connections and flows that are open now.
        package var open: UInt64 = 0
        /// Taken since the start.
        package var accepted: UInt64 = 0
        /// Of those: closed because no task took them, or because of their source.
        package var refused: UInt64 = 0
        /// Broken off by either side's reset, or by a failure.
        package var broken: UInt64 = 0
        /// Flows of UDP that were forgotten before their time, because too many were open.
        package var evicted: UInt64 = 0
        /// From the caller to the service.
        package var bytesIn: UInt64 = 0
        /// From the service to the caller.
        package var bytesOut: UInt64 = 0

        package init() {}
    }

    /// Of all tasks' resolvers, those that have ended included.
    package var dns = DNSCounters()
    package var tcp = Relay()
    package var udp = Relay()
    /// What is kept now.
    package var resolvers = 0
    package var ports = 0
    /// Upgrades in place.
    package var upgrades: UInt64 = 0

    package init() {}
}
