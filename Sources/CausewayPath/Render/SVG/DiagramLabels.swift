/// The packet's addresses along the path, each beside the place where they come to be.
struct DiagramLabels {
    struct Label {
        var x: Double
        var text: String
        /// 0 is next to the drawing.
        var lane = 0
        /// The reply's labels run to the left of their place.
        var isLeftwards: Bool
        /// Whether a thin line leads from the label to its place.
        var hasLeader = true

        var length: Double { SVGCanvas.width(text, 12) + 14 }
        var range: ClosedRange<Double> { isLeftwards ? x - length...x : x...x + length }
    }

    private let row: DiagramRow
    private let outward: Trace.Leg
    private let reply: Trace.Leg?

    init(_ row: DiagramRow, _ outward: Trace.Leg, _ reply: Trace.Leg?) {
        self.row = row
        self.outward = outward
        self.reply = reply
    }

    func above(_ layout: DiagramLayout) -> [Label] {
        guard let first = layout.anchors.first else { return [] }
        let isInside = first.item.role != .device
        let start = isInside ? (layout.spaces.first?.x ?? 0) - 6 : first.x - 50
        let packet = row.isFirst ? outward.packet : first.item.hop.before
        var labels = [Label(x: start, text: Self.address(packet), isLeftwards: false, hasLeader: !isInside)]
        for box in layout.outwardTables.joined() {
            guard let after = box.item.hop.after, !after.hasSameHeader(as: box.item.hop.before) else { continue }
            labels.append(Label(x: box.end + 9, text: Self.address(after), isLeftwards: false))
        }
        return labels
    }

    func below(_ layout: DiagramLayout) -> [Label] {
        guard let reply, let begin = row.reply?.anchors.first, let last = layout.anchors.last else { return [] }
        let isInside = last.item.role != .device
        let start = isInside ? (layout.spaces.last?.end ?? 0) + 6 : last.end + 40
        let packet = row.isLast ? reply.packet : begin.hop.before
        var labels = [Label(x: start, text: Self.address(packet), isLeftwards: true, hasLeader: false)]
        for box in layout.replyTables.joined().reversed() {
            guard let after = box.item.hop.after, !after.hasSameHeader(as: box.item.hop.before) else { continue }
            labels.append(Label(x: box.x - 9, text: Self.address(after), isLeftwards: true))
        }
        // The last one stands where the reply arrives: a line to the left of it would need room outside.
        if labels.count > 1, let first = layout.anchors.first, labels[labels.count - 1].range.lowerBound < first.x {
            let left = first.item.role == .device ? first.x - 56 : (layout.spaces.first?.x ?? 0) - 6
            labels[labels.count - 1] = Label(
                x: left, text: labels[labels.count - 1].text, isLeftwards: false, hasLeader: false)
        }
        return labels
    }

    private static func address(_ packet: Packet) -> String { "\(packet.sourceText) > \(packet.destinationText)" }

    /// Puts each label on the lowest lane on which neither it nor its leader meets another.
    static func stack(_ labels: [Label]) -> [Label] {
        var placed: [Label] = []
        for label in labels.reversed() {
            var label = label
            let inTheWay = placed.filter { label.range.contains($0.x) || label.range.overlaps($0.range) }
            label.lane = (inTheWay.map(\.lane).max() ?? -1) + 1
            placed.append(label)
        }
        return placed.reversed()
    }
}
