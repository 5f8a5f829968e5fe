import CausewayKernel

/// A page of its own, with the picture and what lies behind each thing in it.
///
/// Nothing is loaded from elsewhere. Without scripts the page has everything in a list.
package struct HTMLRenderer: Sendable {
    package init() {}

    package func render(_ trace: Trace) -> String {
        let sections = zip(["o", "r"], trace.legs).map { name, leg in
            leg.hops.enumerated().map { section($1, id: Diagram.id(name, $0)) }.joined(separator: "\n")
        }
        let titles = ["There", "And back"]
        let details = zip(titles, sections).map { "<h2>\($0)</h2>\n\($1)" }.joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
            <title>\(SVGCanvas.escape(trace.outward.packet.header))</title>
            <style>
            \(HTMLStyle.sheet)
            </style>
            </head>
            <body>
            <div id="picture">
            \(SVGRenderer().render(trace))</div>
            <p id="hint">Point at a thing in the picture, or go to it with the tab key: its rules, counters and the command that shows it.</p>
            <div id="details">
            \(details)
            </div>
            <script>
            \(HTMLStyle.script)
            </script>
            </body>
            </html>

            """
    }

    private func section(_ hop: Hop, id: String) -> String {
        var lines = ["<section id=\"\(id)\">", "<h3>\(escape(hop.place.longHeading)): \(escape(title(hop)))</h3>"]
        lines.append("<p>\(escape(hop.action))\(hop.owner.map { " (\(escape($0)))" } ?? "")</p>")
        lines += hop.rules.map(rule)
        if !hop.candidates.isEmpty { lines.append(candidates(hop.candidates)) }
        lines += hop.uncertain.map { "<p class=\"unsure\">not understood: \(escape($0))</p>" }
        lines.append("<p><span>packet</span> <code>\(escape("\(hop.before)"))</code></p>")
        if let after = hop.after { lines.append("<p><span>then</span> <code>\(escape("\(after)"))</code></p>") }
        if let command = HopCommand(hop).text {
            lines.append("<p><span>see</span> <code class=\"command\">\(escape(command))</code></p>")
        }
        return (lines + ["</section>"]).joined(separator: "\n")
    }

    private func title(_ hop: Hop) -> String {
        let hook = hop.stage.hook.map { " at \($0)" } ?? ""
        return [hop.stage.table, hop.stage.name].compactMap { $0 }.joined(separator: " ") + hook
    }

    private func rule(_ rule: ActedRule) -> String {
        let counters = rule.counters.map { "<span>\($0.packets) packets, \($0.bytes) bytes so far</span>" } ?? ""
        let comment = rule.comment.map { rule.text.contains($0) ? "" : " # \($0)" } ?? ""
        return "<p><code>\(escape(rule.chain)): \(escape(rule.text + comment))</code> \(counters)</p>"
    }

    private func candidates(_ all: [Candidate]) -> String {
        let rows = all.map { one in
            "<tr\(one.isChosen ? " class=\"chosen\"" : "")><td>\(escape(one.share))</td><td>\(escape(one.target))</td>"
                + "<td>\(escape(one.owner ?? ""))\(one.isChosen ? " (followed here)" : "")</td></tr>"
        }
        return "<table>\(rows.joined())</table>"
    }

    private func escape(_ text: String) -> String { SVGCanvas.escape(text) }
}
