/// A trace as a drawing sees it: fixed things that both directions share, and tables between them.
struct Diagram {
    enum Role: Hashable {
        case device, router, bridge, socket
        case table
    }

    struct Item {
        var role: Role
        var hop: Hop
        /// The number under which the legend explains it; `nil` for what merely passes.
        var number: Int?
    }

    /// Things between which the tables stand, and the tables that follow each of them.
    struct Track {
        var anchors: [Item] = []
        /// One more than there are anchors is never needed: tables always follow an anchor.
        var segments: [[Item]] = []
    }

    var outward: Track
    var reply: Track?
    /// Whether the reply comes back by the same things, so that both are drawn in one picture.
    var isMirrored: Bool

    init(_ trace: Trace) {
        var number = 0
        outward = Self.track(trace.outward, &number)
        reply = trace.reply.map { Self.track($0, &number) }
        let keys = outward.anchors.map { Self.key($0) }
        isMirrored =
            reply.map { track in
                Array(keys.reversed().prefix(track.anchors.count)) == track.anchors.map { Self.key($0) }
            } ?? true
    }

    private static func key(_ item: Item) -> String {
        let name = item.role == .device || item.role == .bridge ? item.hop.stage.name : ""
        return "\(item.hop.place.heading)|\(item.hop.place.namespace)|\(item.role)|\(name)"
    }

    private static func track(_ leg: Trace.Leg, _ number: inout Int) -> Track {
        var track = Track()
        var routed: Place?
        // What happens to a tunnel's packet stands along the way of the packet that is in it.
        var isCarried = false
        for hop in leg.hops {
            var item = Item(role: role(hop), hop: hop, number: nil)
            if isExplained(hop) {
                number += 1
                item.number = number
            }
            // One stack is one router, even when it looks twice, and `lo` is within it.
            let isAgain = item.role == .router && (isCarried || routed == hop.place)
            switch hop.stage.kind {
            case .encapsulate: isCarried = true
            case .decapsulate: isCarried = false
            default: break
            }
            let isInner = item.role == .device && hop.stage.name == "lo"
            if item.role == .router { routed = hop.place }
            if item.role == .device, hop.stage.kind == .deviceIn, !isInner, !isCarried { routed = nil }
            if item.role == .table || isAgain || isInner || track.anchors.isEmpty && item.role == .table {
                if track.segments.isEmpty { continue }
                if item.role != .table, item.number == nil { continue }
                track.segments[track.segments.count - 1].append(item)
            } else {
                track.anchors.append(item)
                track.segments.append([])
            }
        }
        return track
    }

    private static func role(_ hop: Hop) -> Role {
        switch hop.stage.kind {
        case .socket: .socket
        case .deviceIn, .deviceOut, .cross: .device
        case .bridge: .bridge
        case .route: .router
        case .chain, .conntrack, .neighbor, .encapsulate, .decapsulate, .balancer: .table
        }
    }

    private static func isExplained(_ hop: Hop) -> Bool {
        switch hop.stage.kind {
        case .chain: !hop.isPassing
        case .conntrack, .route, .neighbor, .encapsulate, .decapsulate, .balancer: true
        case .deviceIn, .deviceOut, .cross, .bridge, .socket: !hop.uncertain.isEmpty
        }
    }
}
