/// Where everything stands.
///
/// The outward path runs along `upper`, the reply along `lower`.
struct DiagramLayout {
    struct Box {
        var item: Diagram.Item
        var x: Double
        var width: Double
        /// Where both directions share the thing: the number of the reply's hop here.
        var replyNumber: Int?
        var replyID: String?

        var middle: Double { x + width / 2 }
        var end: Double { x + width }
    }

    struct Space {
        var place: Place
        var x: Double
        var end: Double
    }

    private(set) var anchors: [Box] = []
    private(set) var outwardTables: [[Box]] = []
    /// By segment of the outward track, from left to right: the reply meets them from right to left.
    private(set) var replyTables: [[Box]] = []
    /// A segment between two namespaces has tables of both.
    private typealias Split = (here: [Diagram.Item], next: [Diagram.Item])
    private(set) var spaces: [Space] = []
    private(set) var width: Double = 0
    /// How many anchors the reply reached, from the right.
    private(set) var replyReach = 0

    private static let gap = 20.0
    private static let margin = 30.0
    private static let between = 46.0
    /// Left of the first space, for the client's own line.
    private static let outside = 60.0

    /// Lays out one direction, or both: a reply must mirror the outward track.
    init(_ outward: Diagram.Track, reply: Diagram.Track?) {
        let segments = outward.segments.count
        var back: [[Diagram.Item]] = Array(repeating: [], count: segments)
        if let reply {
            replyReach = reply.anchors.count
            for (index, items) in reply.segments.enumerated() {
                // What follows the reply's anchor stands to the left of it.
                let at = segments - 2 - index
                if at >= 0 { back[at] = items.reversed() } else if !back.isEmpty { back[0] += [] }
            }
        }
        place(outward, back)
        for (index, item) in (reply?.anchors ?? []).enumerated() where index < anchors.count {
            anchors[anchors.count - 1 - index].replyNumber = item.number
            anchors[anchors.count - 1 - index].replyID = item.id
        }
    }

    private mutating func place(_ outward: Diagram.Track, _ back: [[Diagram.Item]]) {
        var x = Self.margin + Self.outside
        for (index, anchor) in outward.anchors.enumerated() {
            let place = anchor.hop.place
            if index == 0 || outward.anchors[index - 1].hop.place != place {
                if index > 0 { x += Self.between }
                spaces.append(Space(place: anchor.hop.place, x: x, end: x))
                if index > 0 {
                    arrive(Self.split(outward.segments[index - 1], place), Self.split(back[index - 1], place), &x)
                }
                // A device stands on the border; anything else well inside.
                if anchor.role != .device { x += 24 }
            }
            let wide = Self.width(anchor)
            let shift = anchor.role == .device && spaces.last?.x == x ? -wide / 2 : 0
            anchors.append(Box(item: anchor, x: x + shift, width: wide))
            x += wide + shift
            let next = index + 1 < outward.anchors.count ? outward.anchors[index + 1].hop.place : nil
            let isLastInSpace = next != place
            let upper = Self.here(outward.segments[index], place, next)
            let lower = Self.here(back[index], place, next)
            let room = max(Self.total(upper), Self.total(lower))
            outwardTables.append(Self.spread(upper, from: x, room: room))
            replyTables.append(Self.spread(lower, from: x, room: room))
            if room > 0 { x += room } else if !isLastInSpace { x += Self.gap }
            if isLastInSpace { endSpace(&x, anchor, hasTables: room > 0) }
        }
        width = x + Self.margin
    }

    /// Those that are in the next namespace stand in its box.
    private static func split(_ items: [Diagram.Item], _ next: Place) -> Split {
        (items.filter { $0.hop.place != next }, items.filter { $0.hop.place == next })
    }

    private static func here(_ items: [Diagram.Item], _ place: Place, _ next: Place?) -> [Diagram.Item] {
        guard let next, next != place else { return items }
        return split(items, next).here
    }

    /// The tables that are met in a namespace before anything else of it.
    private mutating func arrive(_ upper: Split, _ lower: Split, _ x: inout Double) {
        let room = max(Self.total(upper.next), Self.total(lower.next))
        guard room > 0 else { return }
        outwardTables[outwardTables.count - 1] += Self.spread(upper.next, from: x, room: room)
        replyTables[replyTables.count - 1] += Self.spread(lower.next, from: x, room: room)
        x += room
    }

    private mutating func endSpace(_ x: inout Double, _ last: Diagram.Item, hasTables: Bool) {
        if last.role == .device, !hasTables, let box = anchors.last, spaces.last.map({ box.middle > $0.x + 1 }) ?? false
        {
            x = box.middle
        } else {
            x += 24
        }
        // A name needs its room, too.
        let least = Self.nameWidth(spaces.last?.place) + 56
        if let start = spaces.last?.x, x < start + least {
            let more = start + least - x
            if last.role == .device || last.role == .socket, !hasTables, !anchors.isEmpty {
                anchors[anchors.count - 1].x += more
            }
            x += more
        }
        spaces[spaces.count - 1].end = x
    }

    private static func nameWidth(_ place: Place?) -> Double {
        guard let place else { return 0 }
        let full = place.longHeading == place.heading ? "" : "namespace \(place.namespace)"
        return max(
            SVGCanvas.width(place.heading, 13, isMonospace: false), SVGCanvas.width(full, 10, isMonospace: false))
    }

    /// The same, further to the right.
    func shifted(by distance: Double) -> DiagramLayout {
        guard distance > 0 else { return self }
        var layout = self
        func move(_ boxes: [Box]) -> [Box] {
            boxes.map { box in
                var box = box
                box.x += distance
                return box
            }
        }
        layout.anchors = move(anchors)
        layout.outwardTables = outwardTables.map(move)
        layout.replyTables = replyTables.map(move)
        layout.spaces = spaces.map { Space(place: $0.place, x: $0.x + distance, end: $0.end + distance) }
        layout.width += distance
        return layout
    }

    private static func spread(_ items: [Diagram.Item], from start: Double, room: Double) -> [Box] {
        var x = start + gap + max(0, room - total(items)) / 2
        return items.map { item in
            let box = Box(item: item, x: x, width: width(item))
            x += box.width + gap
            return box
        }
    }

    /// The room that tables take, with the gaps on both sides.
    private static func total(_ items: [Diagram.Item]) -> Double {
        items.isEmpty ? 0 : items.reduce(gap) { $0 + width($1) + gap }
    }

    private static func width(_ item: Diagram.Item) -> Double {
        switch item.role {
        case .device: return 22
        case .router: return 62
        case .bridge: return 40
        case .socket:
            return max(76, SVGCanvas.width(Texts.shorten(item.hop.stage.name, 18), 11) + 20)
        case .balancer:
            return DiagramBalancer(item.hop).width
        case .table:
            return max(72, (tableLines(item.hop).map { SVGCanvas.width($0, 11) }.max() ?? 0) + 14)
        }
    }

    /// The three lines in a table's box: whose, which chain, of what kind.
    static func tableLines(_ hop: Hop) -> [String] {
        switch hop.stage.kind {
        case .conntrack: return ["conntrack", "reverses", "nat"]
        case .route: return ["routes", "again", hop.stage.name]
        case .encapsulate: return ["tunnel", Texts.shorten(hop.stage.name, 14), "wraps"]
        case .decapsulate: return ["tunnel", Texts.shorten(hop.stage.name, 14), "unwraps"]
        case .balancer: return ["IPVS", Texts.shorten(hop.stage.name, 14), "balancer"]
        case .neighbor: return ["neighbour", Texts.shorten(hop.stage.name, 15), "fails"]
        case .deviceIn, .deviceOut, .cross, .bridge, .socket: return [hop.stage.name, "", ""]
        case .chain: break
        }
        let number = hop.stage.priority.map { " \($0)" } ?? ""
        return [
            Texts.shorten(hop.stage.table ?? "", 16), Texts.shorten(hop.stage.name, 14),
            "\(hop.stage.chainKind ?? "")\(number)",
        ]
    }
}
