/// Draws what was seen of a packet beside what was predicted, for the terminal.
package struct ObservationRenderer: Sendable {
    private let width: Int
    private let isASCII: Bool

    private static let margin = 3
    private static let time = 10
    private static let label = 12

    /// Lines have at most `width` columns, which are 60 or more.
    package init(isASCII: Bool = false, width: Int = 100) {
        self.isASCII = isASCII
        self.width = max(60, width)
    }

    /// What the signs at the left mean.
    package var legend: String {
        let lines = [
            "=  predicted and seen     -  predicted, not seen     +  seen, not predicted",
            "\(sign(.unseen))  predicted, and of a kind that cannot be seen",
            "at the left of a hop: microseconds since the packet was seen first, where the kernel tells the time",
        ]
        return lines.map { $0 + "\n" }.joined()
    }

    /// The whole way of one packet.
    package func render(_ observation: Observation, number: Int, of count: Int) -> String {
        var lines = ["packet \(number) of \(count): \(headline(observation))", ""]
        let rows = observation.comparison.rows
        var place: Place?
        var index = 0
        var isReply = false
        while index < rows.count {
            let row = rows[index]
            if row.isReply, !isReply {
                lines += end(observation.observed.outward.verdict) + ["", "the answer: \(reply(observation))", ""]
                (isReply, place) = (true, nil)
            }
            guard let hop = row.observed ?? row.predicted else { break }
            if hop.place != place {
                lines.append(
                    String(repeating: " ", count: Self.margin) + Texts.shorten(hop.place.longHeading, width - 4))
                place = hop.place
            }
            if index == observation.comparison.firstDifference {
                lines.append(arrow + " the first difference:")
            }
            let passing = passing(rows[index...], observation.comparison.firstDifference, from: index)
            if passing > 0 {
                lines += passes(Array(rows[index..<index + passing]))
                index += passing
            } else {
                lines += self.lines(row, hop)
                index += 1
            }
        }
        let last = isReply ? observation.observed.reply?.verdict : observation.observed.outward.verdict
        lines += last.map { end($0) } ?? []
        lines += [""] + judgement(observation)
        return lines.map { Texts.clean($0) }.joined(separator: "\n") + "\n"
    }

    /// One packet on one line.
    package func line(_ observation: Observation, number: Int, of count: Int) -> String {
        let text = "packet \(number) of \(count): \(headline(observation)), \(summary(observation))"
        return Texts.wrap(Texts.clean(text), width).joined(separator: "\n  ") + "\n"
    }

    private func summary(_ observation: Observation) -> String {
        let end = observation.observed.verdict
        let how = observation.comparison.agrees ? "as predicted" : "not as predicted"
        return "\(end.outcome.rawValue), \(how) (\(observation.observed.outward.hops.count) hops)"
    }

    private var arrow: String { isASCII ? ">>" : "▶▶" }

    private func sign(_ kind: TraceComparison.Row.Kind) -> String {
        switch kind {
        case .same: "="
        case .onlyPredicted: "-"
        case .onlyObserved: "+"
        case .unseen: isASCII ? "." : "·"
        }
    }

    private func headline(_ observation: Observation) -> String {
        let leg = observation.observed.outward
        let target = leg.hops.last { $0.after.map { !$0.hasSameHeader(as: leg.packet) } ?? false }
        let owner = target?.owner.map { " [\($0)]" } ?? ""
        let to = target.map { ", to \($0.packet.destinationText)\(owner)" } ?? ""
        let answered = observation.answeredAfter.map { ", answered after \(Self.milliseconds($0)) ms" } ?? ""
        return "\(leg.packet.header)\(to)\(answered)"
    }

    private func reply(_ observation: Observation) -> String { observation.observed.reply?.packet.header ?? "" }

    static func milliseconds(_ nanoseconds: UInt64) -> String { decimal(nanoseconds / 1000, digits: 3) }

    /// A number of thousandths, or of tenths, with its point.
    private static func decimal(_ value: UInt64, digits: Int) -> String {
        let unit: UInt64 = digits == 3 ? 1000 : 10
        let rest = String(value % unit)
        return "\(value / unit)." + String(repeating: "0", count: digits - rest.count) + rest
    }

    // MARK: rows

    private func lines(_ row: TraceComparison.Row, _ hop: Hop) -> [String] {
        var texts = [TextRenderer.headline(hop)]
        for rule in hop.rules {
            texts.append(rule.chain == hop.stage.name ? rule.text : "\(rule.chain): \(rule.text)")
            if let comment = rule.comment, !rule.text.contains(comment) { texts.append("# " + comment) }
        }
        texts += hop.uncertain.map { "? " + $0 }
        if let after = hop.after, !after.hasSameHeader(as: hop.before) { texts.append(after.header) }
        return layOut(row, TextRenderer.label(hop), texts, time: hop.nanoseconds)
    }

    private func layOut(
        _ row: TraceComparison.Row, _ label: String, _ texts: [String], time: UInt64?
    ) -> [String] {
        let indent = Self.margin + Self.time + Self.label
        let wrapped = texts.enumerated().flatMap { offset, text in
            Texts.wrap(text, width - indent - (offset > 0 ? 2 : 0)).map { (offset > 0 ? "  " : "") + $0 }
        }
        let stamp = time.map { Self.decimal($0 / 100, digits: 1) } ?? ""
        return wrapped.enumerated().map { offset, text in
            guard offset == 0 else { return String(repeating: " ", count: indent) + text }
            let right = String(repeating: " ", count: max(0, Self.time - 2 - stamp.count)) + stamp + "  "
            return " \(sign(row.kind)) \(right)\(Texts.pad(label, Self.label))\(text)"
        }
    }

    /// How many of the next rows are chains of one hook that let the packet through, alike in kind.
    private func passing(
        _ rows: ArraySlice<TraceComparison.Row>, _ difference: Int?, from start: Int
    ) -> Int {
        guard let first = rows.first, let hop = first.observed ?? first.predicted else { return 0 }
        return rows.enumerated().prefix { offset, row in
            guard let other = row.observed ?? row.predicted else { return false }
            return other.isPassing && row.kind == first.kind && row.isReply == first.isReply
                && other.stage.hook == hop.stage.hook && other.place == hop.place
                && (offset == 0 || start + offset != difference)
        }.count
    }

    private func passes(_ rows: [TraceComparison.Row]) -> [String] {
        let hops = rows.compactMap { $0.observed ?? $0.predicted }
        let names = hops.map { "\($0.stage.table ?? "") \($0.stage.name)" }.joined(separator: ", ")
        return layOut(rows[0], hops[0].stage.hook ?? "", ["passes " + names], time: nil)
    }

    // MARK: ends

    private func end(_ verdict: Verdict) -> [String] {
        let isGood = verdict.outcome == .delivered || verdict.outcome == .sent
        let mark = isASCII ? (isGood ? "+" : "x") : (isGood ? "✓" : "✗")
        var text = "\(verdict.outcome.rawValue): \(verdict.text)"
        if let reason = verdict.reason { text += " (\(reason.rawValue))" }
        var lines = Texts.wrap("\(mark) \(text)", width)
        if let answer = verdict.answer { lines.append("  the sender gets: \(answer)") }
        return lines + verdict.uncertain.flatMap { Texts.wrap("? \($0)", width) }
    }

    private func judgement(_ observation: Observation) -> [String] {
        let comparison = observation.comparison
        guard !comparison.agrees else { return ["prediction and observation agree"] }
        guard let index = comparison.firstDifference else {
            return Texts.wrap("they end differently: \(comparison.endsDiffer ?? "")", width)
        }
        let row = comparison.rows[index]
        let hop = (row.observed ?? row.predicted).map { TextRenderer.headline($0) } ?? ""
        let what = row.kind == .onlyObserved ? "seen, but not predicted" : "predicted, but not seen"
        let ends = comparison.endsDiffer.map { "; \($0)" } ?? ""
        return Texts.wrap("they differ first at: \(hop) (\(what))\(ends)", width)
    }
}
