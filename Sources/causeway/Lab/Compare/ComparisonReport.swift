import CausewayPath
import Foundation

/// What a comparison has measured and seen, as one table.
struct ComparisonReport {
    /// Where the task is, for who asks: on the node that is asked, or on another one.
    enum Place: String, Codable, CaseIterable { case here, there }

    /// What was measured.
    enum Case: Hashable {
        /// The same program as a process of the node itself.
        case host
        case path(LabSwarm.DataPath, Place)
    }

    /// What one round gave, by ``WrkRun/Kind``.
    typealias Round = [WrkRun.Kind: WrkRun.Figures]

    /// What was seen of one data path.
    struct Path {
        var dataPath: LabSwarm.DataPath
        /// By the order of ``Place``.
        var ways: [Trace]
        /// The addresses that the task had connections from.
        var seenClient: String
        var update: SteadyRequests.Tally
        var idle: LabSocket.Outcome
    }

    var paths: [Path]
    var figures: [Case: [Round]]
    /// The client's own address.
    var client: String
    /// IPVS' timeout for the trial, seconds.
    var idle: Int
    /// How long a connection said nothing, seconds.
    var silence: Int
    /// How many connections asked at once.
    var connections: Int

    /// The cases in the table's order.
    var cases: [Case] { [.host] + paths.flatMap { path in Place.allCases.map { .path(path.dataPath, $0) } } }

    // MARK: figures

    /// Of one case and one kind of load, over all rounds.
    struct Summary: Codable, Hashable {
        /// Median of answers in a second.
        var rate: Double
        /// To the host's own server in the same round: median, least and most.
        var ratio: Double
        var least: Double
        var most: Double
        /// Medians, milliseconds.
        var p50: Double
        var p99: Double
    }

    func summary(_ name: Case, _ kind: WrkRun.Kind) -> Summary? {
        let own = (figures[name] ?? []).compactMap { $0[kind] }
        let host = (figures[.host] ?? []).compactMap { $0[kind] }
        guard !own.isEmpty, own.count == host.count else { return nil }
        let ratios = zip(own, host).map { $0.rate / $1.rate }
        return Summary(
            rate: Self.median(own.map(\.rate)), ratio: Self.median(ratios), least: ratios.min() ?? 0,
            most: ratios.max() ?? 0, p50: Self.median(own.map(\.p50)), p99: Self.median(own.map(\.p99)))
    }

    /// The middle one; of an even number the mean of the two in the middle.
    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}

extension ComparisonReport.Case {
    var title: String {
        switch self {
        case .host: "host's own"
        case .path(let path, .here): "\(path.rawValue)"
        case .path(let path, .there): "\(path.rawValue), other host"
        }
    }
}

// MARK: as text

extension ComparisonReport {
    /// The table for the terminal, within 100 columns.
    var text: String {
        let rows = [[""] + cases.map(\.title)] + meetingRows + rateRows
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let table = rows.map { row in
            zip(row, widths).enumerated().map { index, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return index == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }
        return (table + [""] + sentences).map { "\($0)\n" }.joined()
    }

    /// What the packet and its answer meet.
    private var meetingRows: [[String]] {
        let rows: [(String, KeyPath<Counts, Int>)] = [
            ("namespaces", \.namespaces), ("IP stacks", \.stacks), ("bridges", \.bridges), ("NAT tables", \.natTables),
            ("mangle tables", \.mangleTables),
            ("filter tables", \.filterTables), ("balancers", \.balancers), ("tunnels, both ways", \.tunnels),
        ]
        let counts = paths.flatMap { $0.ways.map(\.counts) }
        return rows.map { name, value in [name, ""] + counts.map { "\($0[keyPath: value])" } }
    }

    private var rateRows: [[String]] {
        WrkRun.Kind.allCases.flatMap { kind -> [[String]] in
            let name = kind == .requests ? "requests/s" : "new connections/s"
            let all = cases.map { summary($0, kind) }
            func row(_ title: String, _ value: (Summary) -> String) -> [String] {
                [title] + all.map { $0.map(value) ?? "-" }
            }
            return [
                row(name) { "\(Int($0.rate))" }, row("  to the host's own") { String(format: "%.2f", $0.ratio) },
                row("  p50, ms") { String(format: "%.2f", $0.p50) },
                row("  p99, ms") { String(format: "%.1f", $0.p99) },
            ]
        }
    }

    private var sentences: [String] {
        let width = paths.map(\.dataPath.rawValue.count).max() ?? 0
        func about(_ what: String, _ value: (Path) -> String) -> [String] {
            [what]
                + paths.map { path in
                    "  \(path.dataPath.rawValue.padding(toLength: width, withPad: " ", startingAt: 0))  \(value(path))"
                }
        }
        return about("The client is \(client); the task, on the other host, sees") { $0.seenClient }
            + about("Of the new connections while all tasks are replaced failed") { path in
                let kinds = LabSocket.Outcome.allCases.filter { $0 != .answered && path.update.count($0) > 0 }
                let which = kinds.map { "\(path.update.count($0)) \($0.words)" }.joined(separator: ", ")
                return "\(path.update.failed) of \(path.update.total)" + (which.isEmpty ? "" : " (\(which))")
            }
            + about("A connection that was silent for \(silence) s (IPVS' timeout set to \(idle) s)") {
                $0.idle.ofIdle
            }
    }

}

extension LabSocket.Outcome {
    fileprivate var words: String {
        switch self {
        case .answered: "answered"
        case .refused: "refused"
        case .reset: "reset"
        case .timedOut: "timed out"
        }
    }

    /// Of a request on a connection that had been silent.
    fileprivate var ofIdle: String {
        switch self {
        case .answered: "works"
        case .refused, .reset: "is reset when it is used again"
        case .timedOut: "is dead, and nobody is told: no answer and no reset within 3 s"
        }
    }
}

// MARK: as JSON

extension ComparisonReport: Encodable {
    private struct Row: Encodable {
        var dataPath: String
        var place: String?
        var counts: Counts?
        var requests: Summary?
        var connections: Summary?
    }

    private struct Seen: Encodable {
        var dataPath: LabSwarm.DataPath
        var client: String
        var update: SteadyRequests.Tally
        var idle: LabSocket.Outcome
    }

    private enum Key: String, CodingKey { case client, idleSeconds, connections, ways, seen }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(client, forKey: .client)
        try container.encode(idle, forKey: .idleSeconds)
        try container.encode(connections, forKey: .connections)
        try container.encode(cases.map(row), forKey: .ways)
        try container.encode(
            paths.map { Seen(dataPath: $0.dataPath, client: $0.seenClient, update: $0.update, idle: $0.idle) },
            forKey: .seen)
    }

    private func row(_ name: Case) -> Row {
        let (requests, connections) = (summary(name, .requests), summary(name, .connections))
        guard case .path(let path, let place) = name else {
            return Row(dataPath: "host", requests: requests, connections: connections)
        }
        let ways = paths.first { $0.dataPath == path }?.ways ?? []
        let way = zip(Place.allCases, ways).first { $0.0 == place }?.1
        return Row(
            dataPath: path.rawValue, place: place.rawValue, counts: way?.counts, requests: requests,
            connections: connections)
    }
}

// MARK: as a picture

extension ComparisonReport {
    /// The ways through both hosts, below each other.
    var picture: String {
        let named = paths.flatMap { path in
            zip(Place.allCases, path.ways).filter { $0.0 == .there }.map {
                (name: "\(path.dataPath.rawValue): the task is on another host", trace: $0.1)
            }
        }
        return SVGRenderer().render(named, title: "One service on two data paths")
    }
}
