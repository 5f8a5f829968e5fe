import CausewayDNS
import CausewayKeeper
import CausewayMetrics
import Logging

extension KeeperClient {
    /// What the keeper's resolvers and relays have done; nothing while it does not answer, which is logged.
    func count(into page: inout Exposition, logger: Logger) async {
        let counters: KeeperCounters?
        do {
            counters = try await self.counters()
        } catch {
            return logger.warning("no metrics of names and loopback: \(error)")
        }
        guard let counters else { return }
        page.count(counters.dns)
        page.count([("tcp", counters.tcp), ("udp", counters.udp)])
        page.gauge("causeway_resolvers", "Tasks and containers whose names are answered.", counters.resolvers)
        page.gauge("causeway_held_ports", "Published ports that are held.", counters.ports)
    }
}

extension Exposition {
    fileprivate mutating func count(_ dns: DNSCounters) {
        let ways: [(String, UInt64)] = [
            ("own", dns.own), ("forwarded", dns.forwarded), ("malformed", dns.malformed), ("failed", dns.failed),
            ("overloaded", dns.overloaded), ("truncated", dns.truncated), ("dropped", dns.dropped),
        ]
        counter("causeway_dns_queries_total", "Queries of tasks and containers.", dns.queries)
        counter(
            "causeway_dns_handled_total", "Queries by how they were handled.",
            ways.map { .init(["how": $0.0], Double($0.1)) })
        counter(
            "causeway_dns_answers_total", "Answers by response code, as RFC 6895 numbers them.",
            dns.answers.map { .init(["code": "\($0.key)"], Double($0.value)) })
    }

    fileprivate mutating func count(_ relays: [(name: String, relay: KeeperCounters.Relay)]) {
        func samples(_ value: (KeeperCounters.Relay) -> UInt64) -> [Sample] {
            relays.map { .init(["protocol": $0.name], Double(value($0.relay))) }
        }
        gauge("causeway_relay_open", "Connections to loopback addresses that are relayed now.", samples(\.open))
        counter("causeway_relay_accepted_total", "Connections to loopback addresses.", samples(\.accepted))
        counter(
            "causeway_relay_refused_total", "Those of them that no task took, or whose source may not.",
            samples(\.refused))
        counter(
            "causeway_relay_bytes_total", "Bytes relayed, both ways together.", samples { $0.bytesIn + $0.bytesOut })
    }
}
