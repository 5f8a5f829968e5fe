/// The drawing itself: boxes, the path through them, the addresses above and below.
struct DiagramPicture {
    private let layout: DiagramLayout
    private let outward: Trace.Leg
    private let reply: Trace.Leg?
    /// Of the first leg: `out` or `back`, as the style sheet names them.
    private let style: String
    private let labelsAbove: [Label]
    private let labelsBelow: [Label]

    /// A packet's addresses, beside the place where they come to be.
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

    private static let tableHeight = 104.0
    private static let laneHeight = 22.0
    private static let heading = 30.0
    private static let hookRow = 24.0
    private static let margin = 30.0
    /// How far fixed things reach beyond the path's line.
    private static let reach = 36.0

    /// A reply that is drawn for itself is the only leg, in its own `style`.
    init(_ layout: DiagramLayout, outward: Trace.Leg, reply: Trace.Leg?, style: String = "out") {
        let least = Self.replyLabels(layout, reply).map(\.range.lowerBound).min() ?? Self.margin
        let layout = layout.shifted(by: max(0, Self.margin - least))
        self.layout = layout
        self.outward = outward
        self.reply = reply
        self.style = style
        labelsAbove = Self.stack(Self.outwardLabels(layout, outward))
        labelsBelow = Self.stack(Self.replyLabels(layout, reply))
    }

    var width: Double {
        max(layout.width, (labelsAbove.map(\.range.upperBound).max() ?? 0) + 20)
    }

    /// Returns where the drawing ends.
    func draw(_ canvas: inout SVGCanvas, top: Double) -> Double {
        let lanes = Double((labelsAbove.map(\.lane).max() ?? -1) + 1) * Self.laneHeight
        let spaceTop = top + lanes + 12
        let upper = spaceTop + Self.heading + Self.hookRow + Self.tableHeight / 2
        let lower = reply == nil ? upper : upper + Self.tableHeight + Self.hookRow + 16
        // With one line alone, what stands along it reaches further down, so that its name has room.
        let foot = reply == nil ? upper + 62 : lower
        let spaceBottom = max(lower + Self.tableHeight / 2, foot + Self.reach) + 28
        for space in layout.spaces { draw(space, spaceTop, spaceBottom, &canvas) }
        leaders(labelsAbove, from: spaceTop, to: upper, &canvas)
        leaders(labelsBelow, from: spaceBottom, to: lower, &canvas)
        for space in layout.spaces { name(space, spaceTop, spaceBottom, &canvas) }
        for box in layout.anchors where box.item.role != .device { anchor(box, upper, foot, &canvas) }
        tables(layout.outwardTables, upper, &canvas)
        tables(layout.replyTables, lower, &canvas)
        for box in layout.anchors where box.item.role == .device { anchor(box, upper, foot, &canvas) }
        pipe(layout.outwardTables.joined(), upper, &canvas)
        pipe(layout.replyTables.joined(), lower, &canvas)
        paths(upper, lower, &canvas)
        labels(labelsAbove, "\(style)Text", &canvas) { spaceTop - 10 - Double($0) * Self.laneHeight }
        labels(labelsBelow, "backText", &canvas) { spaceBottom + 20 + Double($0) * Self.laneHeight }
        return spaceBottom + Double((labelsBelow.map(\.lane).max() ?? -1) + 1) * Self.laneHeight + 8
    }

    // MARK: boxes

    private func draw(_ space: DiagramLayout.Space, _ top: Double, _ bottom: Double, _ canvas: inout SVGCanvas) {
        canvas.rect(space.x, top, space.end - space.x, bottom - top, radius: 4, "space")
    }

    /// The names, over whatever thin lines run there.
    private func name(_ space: DiagramLayout.Space, _ top: Double, _ bottom: Double, _ canvas: inout SVGCanvas) {
        let heading = space.place.heading
        canvas.rect(
            space.x + 20, top + 7, SVGCanvas.width(heading, 13, isMonospace: false) + 10, 18, "plain")
        canvas.text(heading, space.x + 24, top + 20, "heading")
        let full = "namespace \(space.place.namespace)"
        guard space.place.longHeading != heading else { return }
        canvas.rect(space.x + 20, bottom - 18, SVGCanvas.width(full, 10, isMonospace: false) + 8, 14, "plain")
        canvas.text(full, space.x + 24, bottom - 8, "small")
    }

    private func anchor(_ box: DiagramLayout.Box, _ upper: Double, _ lower: Double, _ canvas: inout SVGCanvas) {
        let hop = box.item.hop
        let title = "\(hop.stage.name): \(hop.action)"
        let (top, bottom) = (upper - Self.reach, lower + Self.reach)
        canvas.titled(title) { canvas in
            switch box.item.role {
            case .device:
                canvas.rect(box.x, top, box.width, bottom - top, radius: 3, "device")
                canvas.upwards(hop.stage.name, box.middle + 4, self.clear(upper, lower), "mono onDevice")
            case .router: router(box, top, bottom, self.clear(upper, lower), &canvas)
            case .bridge:
                canvas.rect(box.x, top, box.width, bottom - top, radius: 14, "bridge")
                canvas.upwards(hop.stage.name, box.middle + 4, self.clear(upper, lower), "mono")
            case .socket: socket(box, top, bottom, self.clear(upper, lower), &canvas)
            case .table: break
            }
        }
        if let number = box.item.number { badge(number, box.x + 2, top + 2, &canvas) }
        if let number = box.replyNumber { badge(number, box.end - 2, bottom - 2, &canvas) }
    }

    /// Between the two lines, or below the one, where text is not crossed.
    private func clear(_ upper: Double, _ foot: Double) -> Double {
        reply == nil ? (upper + foot + Self.reach) / 2 : (upper + foot) / 2
    }

    private func router(
        _ box: DiagramLayout.Box, _ top: Double, _ bottom: Double, _ middle: Double, _ canvas: inout SVGCanvas
    ) {
        canvas.rect(box.x, top, box.width, bottom - top, radius: box.width / 2, "router")
        let (x, y) = (box.middle, middle - 8)
        canvas.circle(x, y, 17, "icon")
        for (dx, dy) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0)] {
            let (ax, ay) = (x + dx * 10, y + dy * 10)
            canvas.line(x + dx * 3, y + dy * 3, ax, ay, "icon")
            canvas.path(
                "M\(SVGCanvas.number(ax - dx * 5)) \(SVGCanvas.number(ay))H\(SVGCanvas.number(ax))"
                    + "V\(SVGCanvas.number(ay - dy * 5))", "icon")
        }
        canvas.text("IP", x, y + 34, "small bold", anchor: "middle")
    }

    private func socket(
        _ box: DiagramLayout.Box, _ top: Double, _ bottom: Double, _ middle: Double, _ canvas: inout SVGCanvas
    ) {
        canvas.rect(box.x, top, box.width, bottom - top, radius: 8, "socket")
        canvas.text(
            Texts.shorten(box.item.hop.stage.name, 18), box.middle, middle, "mono bold", anchor: "middle")
        guard let last = layout.anchors.last, last.x == box.x, let pid = outward.verdict.processID else { return }
        canvas.text("pid \(pid)", box.middle, middle + 15, "small", anchor: "middle")
    }

    private func tables(_ segments: [[DiagramLayout.Box]], _ y: Double, _ canvas: inout SVGCanvas) {
        for boxes in segments {
            hooks(boxes, y, &canvas)
            for box in boxes { table(box, y, &canvas) }
        }
    }

    private func hooks(_ boxes: [DiagramLayout.Box], _ y: Double, _ canvas: inout SVGCanvas) {
        var start = 0
        while start < boxes.count {
            let hook = boxes[start].item.hop.stage.hook
            var end = start
            while end + 1 < boxes.count, boxes[end + 1].item.hop.stage.hook == hook { end += 1 }
            if let hook {
                let top = y - Self.tableHeight / 2 - 5
                canvas.text(hook, boxes[start].x + 12, top, "small")
            }
            start = end + 1
        }
    }

    private func table(_ box: DiagramLayout.Box, _ y: Double, _ canvas: inout SVGCanvas) {
        let hop = box.item.hop
        let lines = DiagramLayout.tableLines(hop)
        let top = y - Self.tableHeight / 2
        let rules = hop.rules.map(\.text).joined(separator: "\n")
        canvas.titled("\(lines.joined(separator: " ")): \(hop.action)\n\(rules)") { canvas in
            canvas.rect(box.x, top, box.width, Self.tableHeight, radius: 2, hop.isPassing ? "table" : "acting")
            canvas.text(lines[0], box.middle, top + 22, "mono bold", anchor: "middle")
            canvas.text(lines[1], box.middle, y + 24, "mono", anchor: "middle")
            canvas.text(lines[2], box.middle, y + 40, "small", anchor: "middle")
        }
        if let number = box.item.number { badge(number, box.x, top, &canvas) }
    }

    private func badge(_ number: Int, _ x: Double, _ y: Double, _ canvas: inout SVGCanvas) {
        canvas.circle(x, y, 9, "badge")
        canvas.text("\(number)", x, y + 3.5, "onBadge", anchor: "middle")
    }
}

/// The lines of the path, and the addresses along them.
extension DiagramPicture {
    private func paths(_ upper: Double, _ lower: Double, _ canvas: inout SVGCanvas) {
        guard let first = layout.anchors.first, let last = layout.anchors.last else { return }
        let start = first.item.role == .device ? first.x - 50 : first.end
        let end = layout.outwardTables.last?.last?.middle ?? (last.item.role == .device ? last.end + 34 : last.x)
        ending(outward, from: start, to: end, upper, style, &canvas)
        guard let reply else { return }
        let reached = layout.anchors.count - layout.replyReach
        let begin = last.item.role == .socket ? last.x : last.middle
        var goal = layout.anchors.indices.contains(reached) ? layout.anchors[reached].middle : start
        if reached > 0, let table = layout.replyTables[reached - 1].first { goal = table.middle }
        if reached == 0 { goal = first.item.role == .device ? first.x - 50 : first.end }
        ending(reply, from: begin, to: goal, lower, "back", &canvas)
    }

    /// Where the packet travels inside another one.
    private func pipe(_ boxes: some Sequence<DiagramLayout.Box>, _ y: Double, _ canvas: inout SVGCanvas) {
        var start: Double?
        for box in boxes.sorted(by: { $0.x < $1.x }) {
            switch (box.item.hop.stage.kind, start) {
            case (.encapsulate, nil), (.decapsulate, nil): start = box.middle
            case (.encapsulate, let from?), (.decapsulate, let from?):
                canvas.line(from, y, box.middle, y, "pipe")
                start = nil
            default: break
            }
        }
    }

    private func ending(
        _ leg: Trace.Leg, from start: Double, to end: Double, _ y: Double, _ style: String, _ canvas: inout SVGCanvas
    ) {
        let isGood = leg.verdict.outcome == .delivered || leg.verdict.outcome == .sent
        let ahead = end > start ? 1.0 : -1.0
        canvas.line(start, y, isGood ? end - ahead * 8 : end, y, style)
        if isGood {
            let (tip, back) = (SVGCanvas.number(end), SVGCanvas.number(end - ahead * 13))
            canvas.path(
                "M\(tip) \(SVGCanvas.number(y))L\(back) \(SVGCanvas.number(y - 7))V\(SVGCanvas.number(y + 7))Z",
                style + "Fill")
        } else {
            canvas.line(end - 9, y - 9, end + 9, y + 9, "cross")
            canvas.line(end - 9, y + 9, end + 9, y - 9, "cross")
        }
        if start < layout.anchors[0].x { canvas.circle(start, y, 5, style + "Fill") }
    }

    private func labels(
        _ labels: [Label], _ style: String, _ canvas: inout SVGCanvas, y: (Int) -> Double
    ) {
        for label in labels {
            let inset = label.isLeftwards ? label.x - 6 : label.x + 6
            canvas.text(
                label.text, inset, y(label.lane), "address \(style)", anchor: label.isLeftwards ? "end" : "start")
        }
    }

    private func leaders(_ labels: [Label], from edge: Double, to line: Double, _ canvas: inout SVGCanvas) {
        for label in labels where label.hasLeader {
            let outer =
                edge < line
                ? edge - 20 - Double(label.lane) * Self.laneHeight : edge + 24 + Double(label.lane) * Self.laneHeight
            canvas.line(label.x, outer, label.x, line, "leader")
        }
    }

    private static func outwardLabels(_ layout: DiagramLayout, _ leg: Trace.Leg) -> [Label] {
        guard let first = layout.anchors.first else { return [] }
        let isInside = first.item.role != .device
        let start = isInside ? (layout.spaces.first?.x ?? 0) - 6 : first.x - 50
        var labels = [Label(x: start, text: address(leg.packet), isLeftwards: false, hasLeader: !isInside)]
        for box in layout.outwardTables.joined() {
            guard let after = box.item.hop.after, !after.hasSameHeader(as: box.item.hop.before) else { continue }
            labels.append(Label(x: box.end + 9, text: address(after), isLeftwards: false))
        }
        return labels
    }

    private static func replyLabels(_ layout: DiagramLayout, _ leg: Trace.Leg?) -> [Label] {
        guard let leg, let last = layout.anchors.last else { return [] }
        let isInside = last.item.role != .device
        let start = isInside ? (layout.spaces.last?.end ?? 0) + 6 : last.end + 40
        var labels = [Label(x: start, text: address(leg.packet), isLeftwards: true, hasLeader: false)]
        for box in layout.replyTables.joined().reversed() {
            guard let after = box.item.hop.after, !after.hasSameHeader(as: box.item.hop.before) else { continue }
            labels.append(Label(x: box.x - 9, text: address(after), isLeftwards: true))
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
    private static func stack(_ labels: [Label]) -> [Label] {
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
