extension Diagnosis {
    /// For people: what is wrong, the worst first; what was not seen; what is healthy, in one line.
    ///
    /// No line has more than 100 columns, but for one that is to be typed. `isColoured`: for a terminal.
    package func text(isColoured: Bool = false) -> String {
        let paint = Paint(isOn: isColoured)
        var lines = [headline(paint)]
        for (result, finding) in findings {
            lines += [""] + Self.lines(result, finding, paint, severalHosts: hosts.count > 1)
        }
        let unseen = results.filter { $0.outcome == .notSeen }
        if !unseen.isEmpty || !gaps.isEmpty {
            lines += ["", paint.bold("not seen:")]
            lines += unseen.flatMap { Self.wrap("\($0.check): \($0.reason ?? "")", indent: 2) }
            lines += gaps.flatMap { Self.wrap($0, indent: 2) }
        }
        for (title, outcome) in [("healthy:", Result.Outcome.healthy), ("not here:", .irrelevant)] {
            let names = results.filter { $0.outcome == outcome }.map(\.check)
            if !names.isEmpty {
                lines += [""] + Self.wrap("\(title) \(names.joined(separator: ", "))", indent: 0, hanging: 2)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func headline(_ paint: Paint) -> String {
        let whose = hosts.map(Texts.clean).joined(separator: ", ")
        let counts = Finding.Grade.allCases.compactMap { grade -> String? in
            let count = findings.filter { $0.finding.grade == grade }.count
            return count == 0 ? nil : "\(count) \(grade.rawValue)\(count == 1 ? "" : "s")"
        }
        let seen = results.filter { $0.outcome == .healthy || $0.outcome == .found }.count
        let found = counts.isEmpty ? paint.green("nothing wrong was found") : counts.joined(separator: ", ")
        return Texts.shorten("\(whose)", 40) + ": \(found) (\(seen) of \(results.count) checks)"
    }

    private static func lines(
        _ result: Result, _ finding: Finding, _ paint: Paint, severalHosts: Bool
    ) -> [String] {
        let title = wrap("\(finding.grade.rawValue): \(Texts.clean(finding.cause))", indent: 0, hanging: 2)
        var lines = title.prefix(1).map { paint.grade(finding.grade, $0) } + title.dropFirst()
        for evidence in finding.evidence {
            let whose = evidence.owner.map { "  (of \(Texts.clean($0)))" } ?? ""
            let place = Texts.clean(evidence.place.longHeading)
            lines += wrap(
                "\(evidence.kind.label) in \(place): \(Texts.clean(evidence.object))\(whose)", indent: 2, hanging: 4)
        }
        lines += wrap("why: \(result.why)", indent: 2, hanging: 4)
        if let link = result.links.first { lines.append("  see: \(link)") }
        // A command is one line, whatever its length: it is to be copied.
        if let command = finding.remedy.command { lines.append("  do:  " + Texts.clean(command)) }
        if let advice = finding.remedy.advice {
            lines += wrap(
                (finding.remedy.command == nil ? "do:  " : "     ") + Texts.clean(advice), indent: 2, hanging: 7)
        }
        lines.append("  (check \(result.check))")
        return lines
    }

    private static let width = 100

    private static func wrap(_ text: String, indent: Int, hanging: Int? = nil) -> [String] {
        let rest = String(repeating: " ", count: hanging ?? indent + 2)
        let leading = text.prefix { $0 == " " }.count + indent
        let lines = Texts.wrap(text, width - max(leading, rest.count))
        return lines.enumerated().map { ($0 == 0 ? String(repeating: " ", count: leading) : rest) + $1 }
    }
}

extension Evidence.Kind {
    fileprivate var label: String {
        switch self {
        case .forwarding: "fdb entry"
        case .balancer: "balancer"
        case .neighbor: "neighbour"
        case .plan: "plan"
        case .answer: "answer"
        default: rawValue
        }
    }
}

/// Colours, where they are wanted.
private struct Paint {
    let isOn: Bool

    func bold(_ text: String) -> String { put("1", text) }
    func green(_ text: String) -> String { put("32", text) }

    func grade(_ grade: Finding.Grade, _ text: String) -> String {
        switch grade {
        case .fault: put("1;31", text)
        case .risk: put("1;33", text)
        case .note: put("1", text)
        }
    }

    private func put(_ code: String, _ text: String) -> String { isOn ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text }
}

extension Checkup {
    /// The checks, with what each looks at, why it matters, and where users suffer from it.
    package static var list: String {
        all.map { check in
            let parts = [
                "looks at: \(check.looksAt)", "why: \(check.why)",
                "see: \(check.threads.map { "\($0)" }.joined(separator: ", "))",
            ]
            return check.name + "\n"
                + parts.flatMap { part in
                    Texts.wrap(part, 96).enumerated().map { ($0 == 0 ? "  " : "    ") + $1 }
                }.joined(separator: "\n")
        }.joined(separator: "\n") + "\n"
    }

    /// The reference page's table: `docs/reference/doctor.md` has these lines, and a test compares them.
    package static var reference: String {
        all.map { check in
            let threads = check.threads.map { "[\($0)](\($0.link))" }.joined(separator: ", ")
            return """
                ### `\(check.name)`

                - Looks at: \(check.looksAt).
                - Why: \(check.why).
                - Threads: \(threads).
                """
        }.joined(separator: "\n\n") + "\n"
    }
}
