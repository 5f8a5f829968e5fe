/// A long way, broken into rows where it goes from one namespace to another.
struct DiagramRow {
    var outward: Diagram.Track
    var reply: Diagram.Track?
    /// Whether the packet sets out here, and whether it ends here.
    var isFirst: Bool
    var isLast: Bool

    /// Wider than this, a row is broken: it would be too small to read on a screen.
    private static let limit = 1_600.0

    /// Everything in one row, if that is not too wide.
    static func rows(_ outward: Diagram.Track, reply: Diagram.Track?) -> [DiagramRow] {
        let starts = breaks(outward, reply)
        return starts.enumerated().map { number, start in
            let end = number + 1 < starts.count ? starts[number + 1] : outward.anchors.count
            return DiagramRow(
                outward: outward.part(start..<end), reply: reply.map { mirrored($0, start..<end, of: outward) },
                isFirst: number == 0, isLast: number + 1 == starts.count)
        }
    }

    /// The anchors that begin a row.
    private static func breaks(_ outward: Diagram.Track, _ reply: Diagram.Track?) -> [Int] {
        let layout = DiagramLayout(outward, reply: reply)
        guard let first = layout.spaces.first, layout.width > limit else { return [0] }
        // As even as the namespaces allow.
        let rows = (layout.width / limit).rounded(.up)
        let each = min(limit, layout.width / rows * 1.15)
        var starts = [0]
        var left = first.x
        var open: (anchor: Int, x: Double)?
        for (number, space) in layout.spaces.enumerated().dropFirst() {
            if let anchor = anchor(number, in: outward), isOpen(anchor, outward, reply) { open = (anchor, space.x) }
            guard space.end - left > each, let place = open, place.anchor != starts.last else { continue }
            starts.append(place.anchor)
            left = place.x
        }
        return starts
    }

    /// The first anchor of a namespace, counted as the layout counts them.
    private static func anchor(_ space: Int, in track: Diagram.Track) -> Int? {
        var count = 0
        for (index, item) in track.anchors.enumerated() where index > 0 {
            if track.anchors[index - 1].hop.place != item.hop.place { count += 1 }
            if count == space { return index }
        }
        return nil
    }

    /// Whether nothing of the reply would stand to the left of a row that begins here.
    private static func isOpen(_ anchor: Int, _ outward: Diagram.Track, _ reply: Diagram.Track?) -> Bool {
        guard let reply else { return true }
        let index = outward.anchors.count - 1 - anchor
        return !reply.segments.indices.contains(index) || reply.segments[index].isEmpty
    }

    private static func mirrored(_ reply: Diagram.Track, _ range: Range<Int>, of outward: Diagram.Track)
        -> Diagram.Track
    {
        let count = outward.anchors.count
        let (low, high) = (count - range.upperBound, count - range.lowerBound)
        return reply.part(min(low, reply.anchors.count)..<min(high, reply.anchors.count))
    }
}

extension Diagram.Track {
    func part(_ range: Range<Int>) -> Diagram.Track {
        Diagram.Track(anchors: Array(anchors[range]), segments: Array(segments[range]))
    }
}
