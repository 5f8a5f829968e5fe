/// Small work on lines of text that the renderers share.
enum Texts {
    /// Names come from the kernel, from containers and from files: nothing in them may steer a terminal.
    static func clean(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { isControl($0) }) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(isControl(scalar) ? "?" : scalar) }
        return String(result)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || (0x200b...0x200f).contains(scalar.value)
            || (0x2028...0x202e).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
    }

    static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Cut in the middle, so that both ends can be read.
    static func shorten(_ text: String, _ width: Int, ellipsis: String = "…") -> String {
        guard text.count > width, width > ellipsis.count + 1 else { return String(text.prefix(max(0, width))) }
        let room = width - ellipsis.count
        let front = (room + 1) / 2
        return text.prefix(front) + ellipsis + text.suffix(room - front)
    }

    /// Breaks at spaces; a word that is longer than a line is broken where the line ends.
    static func wrap(_ text: String, _ width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: true) {
            var rest = String(word)
            if !line.isEmpty, line.count + 1 + rest.count > width {
                lines.append(line)
                line = ""
            }
            while rest.count > width {
                if !line.isEmpty {
                    lines.append(line)
                    line = ""
                }
                lines.append(String(rest.prefix(width)))
                rest = String(rest.dropFirst(width))
            }
            line += line.isEmpty ? rest : " " + rest
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }
}

extension Trace.Leg {
    /// Hops that follow each other in one namespace.
    struct Visit {
        var place: Place
        var hops: [Hop]
    }

    var visits: [Visit] {
        hops.reduce(into: []) { visits, hop in
            if visits.last?.place == hop.place {
                visits[visits.count - 1].hops.append(hop)
            } else {
                visits.append(Visit(place: hop.place, hops: [hop]))
            }
        }
    }
}

extension Place {
    /// What it is and whose: `task web.1`, `host node-a`.
    var heading: String {
        let place = host.map { $0 == title ? "" : " on \($0)" } ?? ""
        switch kind {
        case .other: return title + place
        case .overlay: return "overlay network \(title)\(place)"
        case .balancer: return "balancer of \(title)\(place)"
        case .host, .task, .container: return "\(kind.rawValue) \(title)\(place)"
        }
    }

    /// The heading, and the namespace's own name where it says more.
    package var longHeading: String {
        namespace == title || namespace == kind.rawValue ? heading : "\(heading) (\(namespace))"
    }
}
