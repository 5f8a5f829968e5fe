import CausewayModel

/// A prediction and what was seen, laid side by side, hop for hop.
package struct TraceComparison: Hashable, Codable, Sendable {
    package struct Row: Hashable, Codable, Sendable {
        package enum Kind: String, Hashable, Codable, Sendable {
            case same
            case onlyPredicted, onlyObserved
            /// Predicted, and of a kind that nobody can see: a route, a neighbour, a socket.
            case unseen
        }

        package var kind: Kind
        package var isReply: Bool
        package var observed: Hop?
        package var predicted: Hop?
    }

    package private(set) var rows: [Row] = []
    /// The row in which the two differ first; `nil` when they agree.
    package private(set) var firstDifference: Int?
    /// How their ends differ, in words.
    package private(set) var endsDiffer: String?

    package var agrees: Bool { firstDifference == nil && endsDiffer == nil }

    package init(observed: Trace, predicted: Trace, seesDevices: Bool) {
        lay(observed.outward, predicted.outward, isReply: false, seesDevices)
        endsDiffer = Self.difference(observed.outward.verdict, predicted.outward.verdict)
        if let reply = observed.reply {
            let expected = predicted.reply
            lay(
                reply, expected ?? Trace.Leg(packet: reply.packet, hops: [], verdict: reply.verdict), isReply: true,
                seesDevices)
            if endsDiffer == nil, let expected { endsDiffer = Self.difference(reply.verdict, expected.verdict) }
        }
        firstDifference = rows.firstIndex { $0.kind == .onlyPredicted || $0.kind == .onlyObserved }
    }

    private static func difference(_ observed: Verdict, _ predicted: Verdict) -> String? {
        func kind(_ verdict: Verdict) -> String { verdict.outcome == .sent ? "delivered" : verdict.outcome.rawValue }
        let isSameReason = observed.reason == nil || predicted.reason == nil || observed.reason == predicted.reason
        if kind(observed) == kind(predicted), isSameReason { return nil }
        return "predicted \(predicted.outcome.rawValue)\(predicted.reason.map { " (\($0.rawValue))" } ?? ""), seen "
            + "\(observed.outcome.rawValue)\(observed.reason.map { " (\($0.rawValue))" } ?? "")"
    }

    // MARK: rows

    private mutating func lay(_ observed: Trace.Leg, _ predicted: Trace.Leg, isReply: Bool, _ seesDevices: Bool) {
        let seen = HopSignature.all(observed.hops)
        let expected = HopSignature.all(predicted.hops).enumerated().map { position, signature in
            HopSignature.isBridged(predicted.hops, position) ? nil : signature
        }
        // Without eyes at the devices, those alone are known that a chain was told of.
        let isOptional: (HopSignature) -> Bool = { !seesDevices && $0.isDevice }
        let common = Self.common(seen, expected)
        var (left, right) = (0, 0)
        func row(_ kind: Row.Kind, _ a: Int?, _ b: Int?) -> Row {
            Row(
                kind: kind, isReply: isReply, observed: a.map { observed.hops[$0] },
                predicted: b.map { predicted.hops[$0] })
        }
        for (a, b) in common + [(seen.count, expected.count)] {
            while right < b {
                let isUnseen = expected[right].map(isOptional) ?? true
                rows.append(row(isUnseen ? .unseen : .onlyPredicted, nil, right))
                right += 1
            }
            while left < a {
                if seen[left] != nil { rows.append(row(.onlyObserved, left, nil)) }
                left += 1
            }
            if a < seen.count, b < expected.count {
                rows.append(row(.same, a, b))
                (left, right) = (a + 1, b + 1)
            }
        }
    }

    /// The longest sequence that both have, as pairs of positions.
    private static func common(_ a: [HopSignature?], _ b: [HopSignature?]) -> [(Int, Int)] {
        var length = Array(repeating: Array(repeating: 0, count: b.count + 1), count: a.count + 1)
        func equal(_ i: Int, _ j: Int) -> Bool { a[i] != nil && a[i] == b[j] }
        for i in a.indices.reversed() {
            for j in b.indices.reversed() {
                length[i][j] = equal(i, j) ? length[i + 1][j + 1] + 1 : max(length[i + 1][j], length[i][j + 1])
            }
        }
        var (i, j) = (0, 0)
        var pairs: [(Int, Int)] = []
        while i < a.count, j < b.count {
            if equal(i, j) {
                pairs.append((i, j))
                (i, j) = (i + 1, j + 1)
            } else if length[i + 1][j] >= length[i][j + 1] {
                i += 1
            } else {
                j += 1
            }
        }
        return pairs
    }
}

/// What of a hop is compared.
struct HopSignature: Hashable, Sendable {
    enum Kind: Hashable { case deviceIn, deviceOut, bridge, chain, conntrack, encapsulate, decapsulate }

    var kind: Kind
    var place: String
    var name: String
    var hook: String?
    var table: String?
    var rules: [String] = []
    var tuple: Tuple?
    var mark: UInt32 = 0

    var isDevice: Bool { [.deviceIn, .deviceOut, .bridge].contains(kind) }

    /// By hop; `nil` where nobody can see such a one.
    static func all(_ hops: [Hop]) -> [HopSignature?] {
        var isInTunnel = false
        return hops.map { hop in
            if hop.stage.kind == .encapsulate { isInTunnel = true }
            if hop.stage.kind == .decapsulate { isInTunnel = false }
            return HopSignature(hop, isInTunnel: isInTunnel)
        }
    }

    /// Whether a bridge is predicted to hand a frame from one port to another: nobody sees that, for a device of its
    /// own it is for its host's packets only.
    static func isBridged(_ hops: [Hop], _ position: Int) -> Bool {
        guard hops[position].stage.kind == .bridge, position + 1 < hops.count,
            [.deviceOut, .cross].contains(hops[position + 1].stage.kind)
        else { return false }
        let before = hops[..<position].last { ![.chain, .conntrack].contains($0.stage.kind) }
        return before?.stage.kind == .deviceIn
    }

    private init?(_ hop: Hop, isInTunnel: Bool) {
        switch hop.stage.kind {
        case .socket, .route, .neighbor, .balancer: return nil
        case .deviceIn: kind = .deviceIn
        case .deviceOut, .cross: kind = .deviceOut
        case .bridge: kind = .bridge
        case .chain: kind = .chain
        case .conntrack: kind = .conntrack
        case .encapsulate: kind = .encapsulate
        case .decapsulate: kind = .decapsulate
        }
        place = (hop.place.host ?? "") + "/" + hop.place.namespace
        name = hop.stage.name
        hook = hop.stage.hook
        table = hop.stage.table
        rules = hop.rules.map { "\($0.chain): \($0.text)" }
        guard kind == .chain || kind == .conntrack || kind == .encapsulate else { return }
        var after = hop.packet.tuple
        // A tunnel's source port is a hash that the walk does not know.
        if isInTunnel { after.sourcePort = 0 }
        tuple = after
        if kind == .chain { mark = hop.packet.mark }
    }
}
