/// Writes SVG elements.
///
/// Coordinates are whole or half pixels, so that the text is the same everywhere.
struct SVGCanvas {
    private(set) var elements: [String] = []

    /// The width of a character, as a part of the font's size, with room to spare.
    static let monospace = 0.602
    static let proportional = 0.62

    static func width(_ text: String, _ size: Double, isMonospace: Bool = true) -> Double {
        Double(text.count) * size * (isMonospace ? monospace : proportional)
    }

    mutating func rect(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, radius: Double = 0, _ style: String
    ) {
        let round = radius > 0 ? " rx=\"\(Self.number(radius))\"" : ""
        elements.append(
            "<rect x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" width=\"\(Self.number(width))\" "
                + "height=\"\(Self.number(height))\"\(round) class=\"\(style)\"/>")
    }

    mutating func circle(_ x: Double, _ y: Double, _ radius: Double, _ style: String) {
        elements.append(
            "<circle cx=\"\(Self.number(x))\" cy=\"\(Self.number(y))\" r=\"\(Self.number(radius))\" class=\"\(style)\"/>"
        )
    }

    mutating func path(_ commands: String, _ style: String) {
        elements.append("<path d=\"\(commands)\" class=\"\(style)\"/>")
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
        path("M\(Self.number(x1)) \(Self.number(y1))L\(Self.number(x2)) \(Self.number(y2))", style)
    }

    /// Text that begins at a point, or is centred there (`middle`), or ends there (`end`).
    mutating func text(_ text: String, _ x: Double, _ y: Double, _ style: String, anchor: String = "start") {
        let position = anchor == "start" ? "" : " text-anchor=\"\(anchor)\""
        elements.append(
            "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\"\(position) class=\"\(style)\">\(Self.escape(text))</text>"
        )
    }

    /// Text that reads upwards, centred at a point.
    mutating func upwards(_ text: String, _ x: Double, _ y: Double, _ style: String) {
        elements.append(
            "<text transform=\"translate(\(Self.number(x)) \(Self.number(y))) rotate(-90)\" text-anchor=\"middle\" "
                + "class=\"\(style)\">\(Self.escape(text))</text>")
    }

    /// What a pointer shows when it rests on what `draw` draws.
    mutating func titled(_ title: String, ids: [String], _ draw: (inout SVGCanvas) -> Void) {
        elements.append("<g data-hop=\"\(ids.joined(separator: " "))\"><title>\(Self.escape(title))</title>")
        draw(&self)
        elements.append("</g>")
    }

    static func number(_ value: Double) -> String {
        let half = (value * 2).rounded() / 2
        return half == half.rounded() ? String(Int(half)) : String(half)
    }

    /// Also takes away what would not be XML, or would steer a terminal that shows the file.
    static func escape(_ text: String) -> String {
        var result = ""
        for character in Texts.clean(text) {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
