/// The drawing itself: boxes, the path through them, the addresses above and below.
struct DiagramPicture {
    private let layout: DiagramLayout
    private let outward: Trace.Leg
    private let reply: Trace.Leg?
    private let row: DiagramRow
    /// Of the first leg: `out` or `back`, as the style sheet names them.
    private let style: String
    private let labelsAbove: [DiagramLabels.Label]
    private let labelsBelow: [DiagramLabels.Label]

    private static let tableHeight = 104.0
    private static let laneHeight = 22.0
    private static let heading = 30.0
    private static let hookRow = 24.0
    private static let margin = 30.0
    /// How far fixed things reach beyond the path's line.
    private static let reach = 36.0

    /// A reply that is drawn for itself is the only leg, in its own `style`.
    init(_ row: DiagramRow, outward: Trace.Leg, reply: Trace.Leg?, style: String = "out") {
        let layout = DiagramLayout(row.outward, reply: row.reply)
        let labels = DiagramLabels(row, outward, reply)
        let least = labels.below(layout).map(\.range.lowerBound).min() ?? Self.margin
        let shifted = layout.shifted(by: max(0, Self.margin - least))
        self.layout = shifted
        self.outward = outward
        // A reply that got stuck before this row has no part in it.
        self.reply = row.reply?.anchors.isEmpty == false ? reply : nil
        self.row = row
        self.style = style
        labelsAbove = DiagramLabels.stack(labels.above(shifted))
        labelsBelow = DiagramLabels.stack(labels.below(shifted))
    }

    var width: Double {
        max(layout.width, ((labelsAbove + labelsBelow).map(\.range.upperBound).max() ?? 0) + 20)
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
        pipe(layout.outwardTables.joined(), row.outward.anchors.first, upper, &canvas)
        pipe(layout.replyTables.joined(), row.reply?.anchors.last, lower, &canvas)
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
        canvas.titled(title, ids: [box.item.id, box.replyID].compactMap { $0 }) { canvas in
            switch box.item.role {
            case .device:
                canvas.rect(box.x, top, box.width, bottom - top, radius: 3, "device")
                canvas.upwards(hop.stage.name, box.middle + 4, self.clear(upper, lower), "mono onDevice")
            case .router: router(box, top, bottom, self.clear(upper, lower), &canvas)
            case .bridge:
                canvas.rect(box.x, top, box.width, bottom - top, radius: 14, "bridge")
                canvas.upwards(hop.stage.name, box.middle + 4, self.clear(upper, lower), "mono")
            case .socket: socket(box, top, bottom, self.clear(upper, lower), &canvas)
            case .table, .balancer: break
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
        guard row.isLast, let last = layout.anchors.last, last.x == box.x, let pid = outward.verdict.processID else {
            return
        }
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
        canvas.titled("\(lines.joined(separator: " ")): \(hop.action)\n\(rules)", ids: [box.item.id]) { canvas in
            guard box.item.role != .balancer else {
                return DiagramBalancer(hop).draw(box.x, y, Self.tableHeight, &canvas)
            }
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
        let left = first.item.role == .device ? first.x - 50 : first.end
        let right = last.item.role == .device ? last.end + 34 : last.x
        let end = row.isLast ? layout.outwardTables.last?.last?.middle ?? right : right
        ending(isGood(outward, isWhole: row.isLast), from: left, to: end, upper, style, isStart: row.isFirst, &canvas)
        guard let reply else { return }
        let reached = layout.anchors.count - layout.replyReach
        let begin = !row.isLast ? right : last.item.role == .socket ? last.x : last.middle
        var goal = layout.anchors.indices.contains(reached) ? layout.anchors[reached].middle : left
        if reached > 0, let table = layout.replyTables[reached - 1].first { goal = table.middle }
        if reached == 0 { goal = left }
        let isWhole = row.isFirst || reached > 0
        ending(isGood(reply, isWhole: isWhole), from: begin, to: goal, lower, "back", isStart: false, &canvas)
    }

    /// What is only a part of the way goes on.
    private func isGood(_ leg: Trace.Leg, isWhole: Bool) -> Bool {
        !isWhole || leg.verdict.outcome == .delivered || leg.verdict.outcome == .sent
    }

    /// Where the packet travels inside another one; `first` is what stands at the row's left end.
    private func pipe(
        _ boxes: some Sequence<DiagramLayout.Box>, _ first: Diagram.Item?, _ y: Double, _ canvas: inout SVGCanvas
    ) {
        var start = first?.isCarried ?? false ? layout.anchors.first.map { $0.x - 50 } : nil
        for box in boxes.sorted(by: { $0.x < $1.x }) {
            switch (box.item.hop.stage.kind, start) {
            case (.encapsulate, nil), (.decapsulate, nil): start = box.middle
            case (.encapsulate, let from?), (.decapsulate, let from?):
                canvas.line(from, y, box.middle, y, "pipe")
                start = nil
            default: break
            }
        }
        if let start, !row.isLast, let end = layout.anchors.last?.end { canvas.line(start, y, end + 30, y, "pipe") }
    }

    private func ending(
        _ isGood: Bool, from start: Double, to end: Double, _ y: Double, _ style: String, isStart: Bool,
        _ canvas: inout SVGCanvas
    ) {
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
        if isStart, start < layout.anchors[0].x { canvas.circle(start, y, 5, style + "Fill") }
    }

    private func labels(
        _ labels: [DiagramLabels.Label], _ style: String, _ canvas: inout SVGCanvas, y: (Int) -> Double
    ) {
        for label in labels {
            let inset = label.isLeftwards ? label.x - 6 : label.x + 6
            canvas.text(
                label.text, inset, y(label.lane), "address \(style)", anchor: label.isLeftwards ? "end" : "start")
        }
    }

    private func leaders(_ labels: [DiagramLabels.Label], from edge: Double, to line: Double, _ canvas: inout SVGCanvas)
    {
        for label in labels where label.hasLeader {
            let outer =
                edge < line
                ? edge - 20 - Double(label.lane) * Self.laneHeight : edge + 24 + Double(label.lane) * Self.laneHeight
            canvas.line(label.x, outer, label.x, line, "leader")
        }
    }
}
