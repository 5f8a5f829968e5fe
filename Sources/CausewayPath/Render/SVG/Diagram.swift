/// A trace as a drawing sees it: fixed things that both directions share, and tables between them.
struct Diagram {
    enum Role: Hashable {
        case device, router, bridge, socket
        case table
        /// A table that chooses among several.
        case balancer
    }

    struct Item {
        var role: Role
        var hop: Hop
        /// The number under which the legend explains it; `nil` for what merely passes.
        var number: Int?
        /// By which a page that has the picture finds the hop.
        var id = ""
        /// Whether what meets it is a tunnel's packet.
        var isCarried = false

        /// Whether it stands along the way, rather than across it.
        var isTable: Bool { role == .table || role == .balancer }
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
        outward = Self.track(trace.outward, &number, "o")
        reply = trace.back.map { Self.track($0, &number, "r") }
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

    /// By its place in a leg: `o7` is the eighth of the outward one.
    static func id(_ leg: String, _ position: Int) -> String { leg + String(position) }

    private static func track(_ leg: Trace.Leg, _ number: inout Int, _ name: String) -> Track {
        var track = Track()
        var routed: Place?
        // Where a tunnel's packet was made: what happens to it there stands along the way of the packet that is in it.
        var origin: Place?
        var isCarried = false
        for (position, hop) in ordered(leg.hops) {
            var item = Item(role: role(hop), hop: hop, number: nil, id: id(name, position))
            if isExplained(hop) {
                number += 1
                item.number = number
            }
            switch hop.stage.kind {
            case .encapsulate: (isCarried, origin) = (true, hop.place)
            case .decapsulate: (isCarried, origin) = (false, nil)
            case .deviceIn where isCarried: origin = hop.place
            default: break
            }
            item.isCarried = isCarried
            // One stack is one router, even when it looks twice, and `lo` is within it.
            let isBeside = isCarried && origin == hop.place && !isHidden(leg.hops, origin)
            let isAgain = item.role == .router && (isBeside || routed == hop.place)
            let isInner = item.role == .device && hop.stage.name == "lo"
            if item.role == .router { routed = hop.place }
            if item.role == .device, hop.stage.kind == .deviceIn, !isInner, !isBeside { routed = nil }
            if item.isTable || isAgain || isInner {
                if track.segments.isEmpty { continue }
                if !item.isTable, item.number == nil { continue }
                track.segments[track.segments.count - 1].append(item)
            } else {
                track.anchors.append(item)
                track.segments.append([])
            }
        }
        return track
    }

    /// A tunnel's device in a namespace of its own stands before the taking out, as it does where the putting in is.
    private static func ordered(_ hops: [Hop]) -> [(Int, Hop)] {
        var order = Array(hops.enumerated())
        for at in hops.indices.dropFirst().dropLast()
        where hops[at].stage.kind == .decapsulate && hops[at].place != hops[at - 1].place
            && hops[at + 1].stage.kind == .deviceIn
        {
            order.swapAt(at, at + 1)
        }
        return order.map { ($0.offset, $0.element) }
    }

    /// Whether tunnels are in other namespaces than the packets that carry them: those meet a stack of their own then.
    private static func isHidden(_ hops: [Hop], _ place: Place?) -> Bool {
        !hops.contains {
            ($0.stage.kind == .encapsulate || $0.stage.kind == .decapsulate) && $0.place == place
        }
    }

    private static func role(_ hop: Hop) -> Role {
        switch hop.stage.kind {
        case .socket: .socket
        case .deviceIn, .deviceOut, .cross: .device
        case .bridge: .bridge
        case .route: .router
        case .balancer where !hop.candidates.isEmpty: .balancer
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
