import CausewayAgent
import CausewayEngine
import CausewayKernel
import CausewayLinux
import CausewayMetrics
import CausewayModel
import CausewayStore
import Foundation
import Logging

/// Everything that can be counted on this node, as a page for Prometheus.
///
/// Connections are counted from the first time that somebody asks: a node that nobody watches pays nothing.
actor NodeMetrics {
    struct Sources: Sendable {
        var store: any Store
        var storePath: String
        var api: Stopwatch
        var engine: EngineClient
        /// Notes a sysctl before it is changed.
        var recordSysctls: @Sendable ([String]) async throws -> Void
        /// What others count, in their own words.
        var others: @Sendable (inout Exposition) async -> Void
    }

    private let sources: Sources
    private let logger: Logger
    private var flows: FlowCounter?
    private var totals = ConnectionTotals()
    private var failures = 0

    init(_ sources: Sources, logger: Logger) {
        self.sources = sources
        self.logger = logger
    }

    func page() async -> String {
        var page = Exposition()
        let snapshot = sources.store.snapshot()
        page.gauge(
            "causeway_build_info", "1, with the release that runs.", [.init(["version": Release.version], 1)])
        SwarmMetrics.add(snapshot, to: &page)
        await addConnections(snapshot, to: &page)
        page.histogram(
            "causeway_api_seconds", "Time until an answer of the Engine API is made, by route.",
            sources.api.histograms)
        page.histogram(
            "causeway_engine_seconds", "Time that calls of Docker Engine take, by method.",
            sources.engine.stopwatch.histograms)
        addStore(to: &page)
        await sources.others(&page)
        page.counter("causeway_metrics_failures_total", "Readings in which something could not be counted.", failures)
        return page.text
    }

    private func addStore(to page: inout Exposition) {
        let sizes = ["", "-wal"].compactMap {
            (try? FileManager.default.attributesOfItem(atPath: sources.storePath + $0))?[.size] as? Int
        }
        page.gauge("causeway_store_bytes", "Size of the store's file and its log.", sizes.reduce(0, +))
        page.gauge(
            "causeway_store_revision", "The store's revision: transactions since it was made.",
            sources.store.snapshot().revision)
    }

    // MARK: connections

    private static let accounting = "net.netfilter.nf_conntrack_acct"

    private func addConnections(_ snapshot: StoreSnapshot, to page: inout Exposition) async {
        guard snapshot.cluster != nil else { return }
        do {
            let counter = try await counter()
            let live = try await counter.live()
            let readings = totals.read(
                ended: counter.drain(), live: live, backends: SwarmMetrics.backends(snapshot))
            add(readings, to: &page)
            page.counter(
                "causeway_connections_unheard_total",
                "Times that the kernel reported more ended connections than could be heard.", counter.losses)
        } catch {
            failures += 1
            logger.error("cannot count connections", metadata: ["error": "\(error)"])
        }
    }

    private func counter() async throws -> FlowCounter {
        if let flows { return flows }
        // Without accounting connections are counted all the same, only not their bytes.
        if try Sysctl.read(Self.accounting) == "0" {
            try await sources.recordSysctls([Self.accounting])
            try Sysctl.write(Self.accounting, "1")
        }
        let new = try await FlowCounter()
        flows = new
        return new
    }

    private func add(_ readings: [ConnectionTotals.Backend: ConnectionTotals.Reading], to page: inout Exposition) {
        func samples(_ value: (ConnectionTotals.Reading) -> UInt64) -> [Exposition.Sample] {
            readings.map { .init(["service": $0.key.service, "backend": $0.key.name], value($0.value)) }
        }
        page.counter(
            "causeway_connections_total", "Connections (TCP) and flows (UDP) to a backend, since the first reading.",
            samples { $0.totals.connections })
        page.gauge(
            "causeway_connections_open", "Connections to a backend that are open now.", samples { UInt64($0.open) })
        page.counter(
            "causeway_received_bytes_total", "Bytes of packets from callers to a backend, headers included.",
            samples { $0.totals.bytesIn })
        page.counter(
            "causeway_sent_bytes_total", "Bytes of packets from a backend to callers, headers included.",
            samples { $0.totals.bytesOut })
    }
}
