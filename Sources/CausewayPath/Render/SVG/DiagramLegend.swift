/// What each number in the picture stands for: the rule, its effect, the candidates of a balancing decision.
struct DiagramLegend {
    private struct Entry {
        var number: Int
        var hop: Hop
    }

    private let columns: [(title: String, style: String, entries: [Entry])]
    private let width: Double

    private static let margin = 30.0
    private static let line = 15.0

    init(_ diagram: Diagram, _ trace: Trace, width: Double) {
        func entries(_ track: Diagram.Track) -> [Entry] {
            zip(track.anchors, track.segments).flatMap { anchor, segment in
                ([anchor] + segment).compactMap { item in item.number.map { Entry(number: $0, hop: item.hop) } }
            }
        }
        let outward = entries(diagram.outward)
        if let reply = diagram.reply {
            columns = [("There", "out", outward), ("And back", "back", entries(reply))]
        } else {
            let half = (outward.count + 1) / 2
            columns = [("There", "out", Array(outward.prefix(half))), ("", "out", Array(outward.dropFirst(half)))]
        }
        self.width = width
    }

    /// Returns where the legend ends.
    func draw(_ canvas: inout SVGCanvas, top: Double) -> Double {
        let each = (width - 2 * Self.margin - 30) / 2
        var bottom = top
        for (index, column) in columns.enumerated() {
            let x = Self.margin + Double(index) * (each + 30)
            var y = top
            if !column.title.isEmpty {
                canvas.text(column.title, x, y, "heading")
                canvas.line(x + 80, y - 4, x + 140, y - 4, column.style)
            }
            y += 24
            for entry in column.entries { y = draw(entry, x, y, each, &canvas) }
            bottom = max(bottom, y)
        }
        return bottom
    }

    private func draw(
        _ entry: Entry, _ x: Double, _ top: Double, _ room: Double, _ canvas: inout SVGCanvas
    ) -> Double {
        let hop = entry.hop
        var y = top
        canvas.circle(x + 9, y - 4, 9, "badge")
        canvas.text("\(entry.number)", x + 9, y - 0.5, "onBadge", anchor: "middle")
        let left = x + 28
        for line in Texts.wrap(title(hop), Int((room - 28) / (12 * SVGCanvas.proportional))) {
            canvas.text(line, left, y, "bold")
            y += Self.line
        }
        let columns = Int((room - 28) / (11 * SVGCanvas.monospace))
        let comments = hop.rules.compactMap(\.comment).filter { comment in
            !hop.rules.contains { $0.text.contains(comment) }
        }
        let rules = hop.rules.map { $0.chain == hop.stage.name ? $0.text : "\($0.chain): \($0.text)" }
        for text in rules + comments.map({ "# " + $0 }) {
            for line in Texts.wrap(text, columns) {
                canvas.text(line, left, y, "mono")
                y += Self.line
            }
        }
        y = candidates(hop, left, y, &canvas)
        for text in hop.uncertain {
            for line in Texts.wrap("? \(text)", columns) {
                canvas.text(line, left, y, "mono unsure")
                y += Self.line
            }
        }
        return y + 7
    }

    private func candidates(_ hop: Hop, _ x: Double, _ top: Double, _ canvas: inout SVGCanvas) -> Double {
        var y = top
        let full = 150.0
        let most = 12
        let targets = hop.candidates.map(\.target.count).max() ?? 0
        for candidate in hop.candidates.prefix(most) {
            let part = full * Double(candidate.slots) / Double(max(1, candidate.total))
            canvas.rect(x, y - 9, full, 10, "bar")
            canvas.rect(x, y - 9, max(2, part), 10, candidate.isChosen ? "barChosen" : "badge")
            let text =
                Texts.pad(candidate.share, 8) + Texts.pad(candidate.target, targets) + "  "
                + (candidate.owner ?? "") + (candidate.isChosen ? " (followed here)" : "")
            canvas.text(
                text.replacing(" ", with: "\u{a0}"), x + full + 10, y, candidate.isChosen ? "mono bold" : "mono")
            y += Self.line
        }
        if hop.candidates.count > most {
            canvas.text("and \(hop.candidates.count - most) more", x + full + 10, y, "mono")
            y += Self.line
        }
        return y
    }

    private func title(_ hop: Hop) -> String {
        let owner = hop.owner.map { " (\($0))" } ?? ""
        let place = hop.place.title
        return switch hop.stage.kind {
        case .chain: "\(place), \(hop.stage.table ?? "") \(hop.stage.name): \(hop.action)\(owner)"
        case .balancer: "\(place), IPVS \(hop.stage.name): \(hop.action)\(owner)"
        case .conntrack: "\(place), conntrack at \(hop.stage.hook ?? ""): \(hop.action)"
        case .route: "\(place), route: \(hop.action)\(owner)"
        default: "\(place), \(hop.stage.name): \(hop.action)\(owner)"
        }
    }
}
