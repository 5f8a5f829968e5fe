/// Draws a trace in the manner of the diagrams in networking books.
///
/// Namespaces are grey boxes, IP stacks are routers, tables stand upright, the path runs through them; addresses are
/// written where they change, the reply is a dashed line. The legend has each rule that acted, by number.
package struct SVGRenderer: Sendable {
    package init() {}

    package func render(_ trace: Trace) -> String {
        let picture = draw(trace)
        return document(
            picture.canvas.elements, picture.width, picture.height, title: "\(trace.outward.packet.header)",
            hasTunnel: trace.counts.tunnels > 0)
    }

    /// Several ways below each other, each under its name: to be compared.
    package func render(_ named: [(name: String, trace: Trace)], title: String) -> String {
        var elements: [String] = []
        var (width, y) = (0.0, 0.0)
        for (name, trace) in named {
            let picture = draw(trace)
            var heading = SVGCanvas()
            heading.text(name, 30, y + 38, "panel")
            elements += heading.elements
            elements.append("<g transform=\"translate(0 \(SVGCanvas.number(y + 40)))\">")
            elements += picture.canvas.elements
            elements.append("</g>")
            y += 40 + picture.height
            width = max(width, picture.width)
        }
        return document(
            elements, width, y, title: title, hasTunnel: named.contains { $0.trace.counts.tunnels > 0 })
    }

    private func draw(_ trace: Trace) -> (canvas: SVGCanvas, width: Double, height: Double) {
        let diagram = Diagram(trace)
        var canvas = SVGCanvas()
        var y = header(trace, &canvas)
        var width = 900.0
        if diagram.isMirrored {
            for row in DiagramRow.rows(diagram.outward, reply: diagram.reply) {
                let picture = DiagramPicture(row, outward: trace.outward, reply: trace.back)
                y = picture.draw(&canvas, top: y) + (row.isLast ? 0 : 16)
                width = max(width, picture.width)
            }
        } else {
            // The reply goes another way: each direction is drawn for itself.
            let tracks = [(diagram.outward, "out")] + (diagram.reply.map { [($0, "back")] } ?? [])
            for ((track, style), leg) in zip(tracks, trace.legs) {
                for row in DiagramRow.rows(track, reply: nil) {
                    let picture = DiagramPicture(row, outward: leg, reply: nil, style: style)
                    y = picture.draw(&canvas, top: y) + (row.isLast ? 0 : 16)
                    width = max(width, picture.width)
                }
            }
        }
        y = DiagramLegend(diagram, trace, width: width).draw(&canvas, top: y + 24)
        canvas.text("This packet meets \(trace.counts).", 30, y + 24, "count")
        return (canvas, width, y + 44)
    }

    private func header(_ trace: Trace, _ canvas: inout SVGCanvas) -> Double {
        canvas.text(trace.outward.packet.header, 30, 38, "title")
        var y = 62.0
        for (index, leg) in trace.legs.enumerated() {
            let verdict = leg.verdict
            let isGood = verdict.outcome == .delivered || verdict.outcome == .sent
            let style = !verdict.uncertain.isEmpty ? "unsure" : isGood ? "good" : "bad"
            canvas.circle(36, y - 4, 5, style)
            let prefix = index == 0 ? "" : trace.reply == nil ? "refusal " : "reply "
            for line in Texts.wrap(prefix + "\(verdict)", 120) {
                canvas.text(line, 50, y, "")
                y += 18
            }
        }
        for line in trace.remarks.flatMap({ Texts.wrap("why: \($0)", 120) }) {
            canvas.text(line, 50, y, "")
            y += 18
        }
        return y + 6
    }

    private func document(
        _ elements: [String], _ width: Double, _ height: Double, title: String, hasTunnel: Bool
    ) -> String {
        let (wide, high) = (SVGCanvas.number(width), SVGCanvas.number(height))
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(wide)" height="\(high)" viewBox="0 0 \(wide) \(high)" role="img">
            <title>\(SVGCanvas.escape(title))</title>
            <style>
            \(SVGStyle.sheet)\(hasTunnel ? "\n" + SVGStyle.tunnel : "")
            </style>
            <rect width="\(wide)" height="\(high)" class="paper"/>
            \(elements.joined(separator: "\n"))
            </svg>

            """
    }
}
