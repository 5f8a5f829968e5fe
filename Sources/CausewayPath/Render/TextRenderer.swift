/// Draws a trace for the terminal: a box for each namespace, the path as a line down through what it meets.
package struct TextRenderer: Sendable {
    /// The characters that lines are made of.
    private struct Glyphs: Sendable {
        var corner: (topLeft: String, topRight: String, bottomLeft: String, bottomRight: String)
        var horizontal: String
        var vertical: String
        var down: String
        var exit: String
        var stage: [Stage.Kind: String]
        var acting: String
        var passing: String
        var end: [Verdict.Outcome: String]
        var chosen: String
        var other: String
        var ellipsis: String

        static let unicode = Glyphs(
            corner: ("┌", "┐", "└", "┘"), horizontal: "─", vertical: "│", down: "│", exit: "┬",
            stage: [
                .socket: "●", .deviceIn: "▼", .deviceOut: "▼", .cross: "▼", .bridge: "═", .conntrack: "▮", .route: "◯",
                .neighbor: "?", .encapsulate: "◀", .decapsulate: "▶", .balancer: "◆",
            ],
            acting: "▮", passing: "▯",
            end: [.delivered: "✓", .sent: "✓", .refused: "✗", .dropped: "✗"], chosen: "▸", other: "·", ellipsis: "…")

        static let ascii = Glyphs(
            corner: ("+", "+", "+", "+"), horizontal: "-", vertical: "|", down: "|", exit: "+",
            stage: [
                .socket: "@", .deviceIn: "v", .deviceOut: "v", .cross: "v", .bridge: "=", .conntrack: "#", .route: "O",
                .neighbor: "?", .encapsulate: "[", .decapsulate: "]", .balancer: "&",
            ],
            acting: "#", passing: ".",
            end: [.delivered: "+", .sent: "+", .refused: "x", .dropped: "x"], chosen: ">", other: "-", ellipsis: "...")
    }

    private struct Row {
        /// In the column where the path runs.
        var mark: String
        var text: String
    }

    private let glyphs: Glyphs
    private let width: Int

    /// Lines have at most `width` columns, which are 60 or more.
    package init(isASCII: Bool = false, width: Int = 100) {
        glyphs = isASCII ? .ascii : .unicode
        self.width = max(60, width)
    }

    package func render(_ trace: Trace) -> String {
        var lines = leg(trace.outward, isReply: false)
        if let reply = trace.reply {
            lines += ["", "the reply", ""] + leg(reply, isReply: true)
        }
        if let refusal = trace.refusal {
            lines += ["", "the refusal", ""] + leg(refusal, isReply: true)
        }
        for remark in trace.remarks { lines += [""] + Texts.wrap("why: \(remark)", width) }
        lines += [""] + Texts.wrap("met: \(trace.counts)", width)
        return lines.map { Texts.clean($0) }.joined(separator: "\n") + "\n"
    }

    // MARK: one direction

    private func leg(_ leg: Trace.Leg, isReply: Bool) -> [String] {
        let visits = leg.visits
        let blocks = visits.map { rows($0.hops, isReply) }
        let longest = blocks.joined().map { $0.text.count }.max() ?? 0
        let headings = visits.map { $0.place.longHeading.count + 2 }.max() ?? 0
        let inner = min(width - 6, max(longest, headings, 40))
        var lines = ["\(leg.packet)"]
        let down = isReply && glyphs.down == "│" ? "┊" : isReply ? ":" : glyphs.down
        let comesFromOutside = leg.hops.first?.stage.kind == .deviceIn
        if comesFromOutside { lines.append("  " + down) }
        for (index, visit) in visits.enumerated() {
            let isCrossing = index + 1 < visits.count || leg.verdict.outcome == .sent
            lines.append(top(visit.place, inner))
            for row in blocks[index] {
                let mark = row.mark.isEmpty ? down : row.mark
                lines.append("\(glyphs.vertical) \(mark) \(Texts.pad(row.text, inner)) \(glyphs.vertical)")
            }
            lines.append(bottom(inner, exits: isCrossing))
            if isCrossing { lines.append("  " + down) }
        }
        return lines + verdict(leg.verdict)
    }

    private func top(_ place: Place, _ inner: Int) -> String {
        let title = " \(Texts.shorten(place.longHeading, inner - 2, ellipsis: glyphs.ellipsis)) "
        let rest = String(repeating: glyphs.horizontal, count: max(0, inner + 4 - 1 - title.count))
        return glyphs.corner.topLeft + glyphs.horizontal + title + rest + glyphs.corner.topRight
    }

    private func bottom(_ inner: Int, exits: Bool) -> String {
        let line = String(repeating: glyphs.horizontal, count: inner + 2)
        return glyphs.corner.bottomLeft + glyphs.horizontal + (exits ? glyphs.exit : glyphs.horizontal) + line
            + glyphs.corner.bottomRight
    }

    private func verdict(_ verdict: Verdict) -> [String] {
        var lines = Texts.wrap("\(glyphs.end[verdict.outcome] ?? "") \(verdict)", width)
        if let answer = verdict.answer { lines.append("  the sender gets: \(answer)") }
        for reason in verdict.uncertain {
            lines += Texts.wrap("? not understood: \(reason)", width)
        }
        return lines
    }

    // MARK: hops

    private func rows(_ hops: [Hop], _ isReply: Bool) -> [Row] {
        var rows: [Row] = []
        var index = 0
        while index < hops.count {
            let passing = hops[index...].prefix { $0.isPassing && $0.stage.hook == hops[index].stage.hook }
            if passing.count > 0 {
                rows.append(contentsOf: passes(Array(passing)))
                index += passing.count
            } else {
                rows += self.rows(hops[index])
                index += 1
            }
        }
        return rows
    }

    /// Chains that let the packet through, on one line a hook.
    private func passes(_ hops: [Hop]) -> [Row] {
        let names = hops.map { "\($0.stage.table ?? "") \($0.stage.name)" }.joined(separator: ", ")
        let lines = Texts.wrap("passes " + names, width - 6 - Self.label)
        return lines.enumerated().map { offset, line in
            Row(
                mark: offset == 0 ? glyphs.passing : "",
                text: Texts.pad(offset == 0 ? hops[0].stage.hook ?? "" : "", Self.label) + line)
        }
    }

    private static let label = 13

    private func rows(_ hop: Hop) -> [Row] {
        var rows = [Row(mark: mark(hop), text: Texts.pad(Self.label(hop), Self.label) + Self.headline(hop))]
        if rows[0].text.count > width - 6 {
            rows = Texts.wrap(Self.headline(hop), width - 6 - Self.label).enumerated().map { offset, line in
                Row(
                    mark: offset == 0 ? mark(hop) : "",
                    text: Texts.pad(offset == 0 ? Self.label(hop) : "", Self.label) + line)
            }
        }
        for rule in hop.rules { rows += details(rule, of: hop.stage.name) }
        rows += hop.candidates.map { candidate($0, among: hop.candidates) }
        for text in hop.uncertain {
            rows += Texts.wrap("? " + text, width - 6 - Self.label).map { Row(mark: "", text: indent($0)) }
        }
        if let after = hop.after, !after.hasSameHeader(as: hop.before) {
            rows.append(Row(mark: "", text: Texts.pad("", 2) + after.header))
        }
        return rows
    }

    private func indent(_ text: String) -> String { Texts.pad("", Self.label) + text }

    private func details(_ rule: ActedRule, of base: String) -> [Row] {
        let text = rule.chain == base ? rule.text : "\(rule.chain): \(rule.text)"
        var lines = Texts.wrap(text, width - 6 - Self.label)
        if let comment = rule.comment, !rule.text.contains(comment) { lines.append("# " + comment) }
        return lines.map { Row(mark: "", text: indent($0)) }
    }

    private func candidate(_ candidate: Candidate, among all: [Candidate]) -> Row {
        let shares = all.map(\.share.count).max() ?? 0
        let targets = all.map(\.target.count).max() ?? 0
        let text =
            "\(candidate.isChosen ? glyphs.chosen : glyphs.other) "
            + Texts.pad(candidate.share, shares) + "  " + Texts.pad(candidate.target, targets) + "  "
            + (candidate.owner ?? "") + (candidate.isChosen ? " (followed here)" : "")
        return Row(mark: "", text: indent(Texts.shorten(text, width - 6 - Self.label, ellipsis: glyphs.ellipsis)))
    }

    private func mark(_ hop: Hop) -> String {
        guard hop.stage.kind == .chain else { return glyphs.stage[hop.stage.kind] ?? " " }
        return hop.isPassing ? glyphs.passing : glyphs.acting
    }

    static func label(_ hop: Hop) -> String {
        switch hop.stage.kind {
        case .chain, .conntrack, .balancer: hop.stage.hook ?? ""
        case .deviceIn, .deviceOut, .cross: "device"
        case .route: "route"
        case .bridge: "bridge"
        case .socket: "socket"
        case .neighbor: "neighbour"
        case .encapsulate, .decapsulate: "tunnel"
        }
    }

    static func headline(_ hop: Hop) -> String {
        let owner = hop.owner.map { "  [\($0)]" } ?? ""
        switch hop.stage.kind {
        case .chain:
            let number = hop.stage.priority.map { " \($0)" } ?? ""
            let kind = hop.stage.chainKind.map { " (\($0)\(number))" } ?? ""
            return "\(hop.stage.table ?? "") \(hop.stage.name)\(kind): \(hop.action)\(owner)"
        case .route: return "\(hop.action) (table \(hop.stage.name))\(owner)"
        case .socket where hop.action.hasPrefix(hop.stage.name): return hop.action
        case .socket: return "\(hop.stage.name) \(hop.action)"
        case .conntrack: return "conntrack: \(hop.action)"
        case .balancer: return "IPVS \(hop.stage.name): \(hop.action)\(owner)"
        default: return "\(hop.stage.name) \(hop.action)\(owner)"
        }
    }
}

extension Trace: CustomStringConvertible {
    /// As the terminal shows it.
    package var description: String { TextRenderer().render(self) }
}
