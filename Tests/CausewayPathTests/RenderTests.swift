import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath

@Suite struct RenderTests {
    private func traces() throws -> [Trace] {
        [
            try demo().inventory.ask(Question(target: "web:8080"), isReturning: true),
            try demo().inventory.ask(Question(target: "web", from: "task:client.1"), isReturning: true),
            try demo().inventory.ask(Question(target: "web:8080", from: "host"), isReturning: true),
            try demo().inventory.ask(Question(target: "web.1", from: "task:other.1")),
            try demo().inventory.ask(Question(target: "host:9999")),
            try demo().inventory.ask(Question(target: "[2001:db8:1:aaaa:bbbb:cccc:dddd:eeee]:8443", from: "host")),
            try replyThatIsDropped(),
        ]
    }

    /// Docker's policy drops what comes back from the task.
    private func replyThatIsDropped() throws -> Trace {
        var host = demo()
        host.host.iptables[0].chains[1].rules.insert(
            IPTables.Rule(
                text: "-i cw-+ -j DROP", matches: [.incoming("cw-+")], target: .drop), at: 0)
        return try host.inventory.ask(Question(target: "web:8080"), isReturning: true)
    }

    @Test func `a reply that is dropped is the verdict`() throws {
        let trace = try replyThatIsDropped()

        #expect(trace.outward.verdict.outcome == .delivered)
        #expect(trace.verdict.outcome == .dropped)
        #expect(trace.verdict.text.contains("-i cw-+ -j DROP"))
    }

    @Test func `text fits a hundred columns, and ASCII is ASCII`() throws {
        for trace in try traces() {
            let lines = trace.description.split(separator: "\n")
            #expect(lines.allSatisfy { $0.count <= 100 })
            #expect(TextRenderer(isASCII: true).render(trace).allSatisfy { $0.isASCII })
        }
    }

    @Test func `the boxes of one direction are of one width`() throws {
        let lines = try traces()[3].description.split(separator: "\n").filter { "┌│└".contains($0.first ?? " ") }

        #expect(lines.count > 5)
        #expect(Set(lines.map(\.count)).count == 1)
    }

    @Test func `a trace survives JSON`() throws {
        for trace in try traces() {
            let data = try JSONEncoder().encode(trace)
            #expect(try JSONDecoder().decode(Trace.self, from: data) == trace)
        }
    }

    @Test func `names cannot steer the terminal nor break the picture`() throws {
        var host = demo()
        host.tasks[0].sockets[0].processName = "a\u{1b}[31m<b>&\"\u{202e}"

        let trace = try host.inventory.ask(Question(target: "web:8080"))
        let picture = SVGRenderer().render(trace)

        #expect(!trace.description.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x202e })
        #expect(picture.contains("a?[31m&lt;b&gt;&amp;&quot;?"))
        #expect(!picture.contains("<b>"))
    }

    @Test func `the picture has every address, rule and candidate`() throws {
        let trace = try traces()[0]
        let picture = SVGRenderer().render(trace)

        for text in ["203.0.113.9:40000 &gt; 10.0.0.5:80", "192.0.2.2:8080 &gt; 203.0.113.9:40000", "web.3", "eth0"] {
            #expect(picture.contains(text))
        }
        #expect(picture.contains("prefers-color-scheme:dark"))
    }

    @Test func `several ways are drawn below each other, each under its name`() throws {
        let both = Array(try traces().prefix(2))
        let alone = try both.map { try Self.height(SVGRenderer().render($0)) }
        let picture = SVGRenderer().render([("the one", both[0]), ("the other", both[1])], title: "both ways")

        let heading = 40.0
        #expect(try Self.height(picture) == alone[0] + alone[1] + 2 * heading)
        let second = SVGCanvas.number(alone[0] + 2 * heading)
        let (one, other) = (
            try #require(picture.range(of: ">the one<")), try #require(picture.range(of: ">the other<"))
        )
        #expect(one.lowerBound < other.lowerBound)
        #expect(picture[other.upperBound...].contains("translate(0 \(second))"))
        #expect(picture.contains("<title>both ways</title>"))
    }

    private static func height(_ picture: String) throws -> Double {
        let match = try #require(picture.firstMatch(of: /height="([0-9.]+)" viewBox/))
        return try #require(Double(match.output.1))
    }

    @Test func `no two texts of the picture overlap`() throws {
        for (index, trace) in try traces().enumerated() {
            let boxes = Self.texts(SVGRenderer().render(trace))
            #expect(boxes.count > 10)
            for (at, one) in boxes.enumerated() {
                for other in boxes[(at + 1)...] where one.overlaps(other) {
                    Issue.record("picture \(index): '\(one.text)' and '\(other.text)' overlap")
                }
            }
        }
    }

    struct TextBox {
        var text: String
        var left: Double
        var right: Double
        var bottom: Double
        var size: Double

        func overlaps(_ other: TextBox) -> Bool {
            abs(bottom - other.bottom) < min(size, other.size) * 0.7 && left < other.right && other.left < right
        }
    }

    /// The upright texts of a picture, as wide as their characters.
    static func texts(_ picture: String) -> [TextBox] {
        let pattern = /<text x="([-0-9.]+)" y="([-0-9.]+)"(?: text-anchor="(\w+)")? class="([^"]*)">([^<]*)</
        return picture.matches(of: pattern).compactMap { match in
            guard let x = Double(match.1), let y = Double(match.2) else { return nil }
            let style = match.4.split(separator: " ")
            let size =
                style.contains("title")
                ? 17.0
                : style.contains("heading")
                    ? 13
                    : style.contains("mono")
                        ? 11
                        : style.contains("small") || style.contains("onBadge") ? 10 : 12
            let isWide = style.contains("mono") || style.contains("address")
            let text = match.5.replacing("&gt;", with: ">").replacing("&lt;", with: "<").replacing("&amp;", with: "&")
            let width = Double(text.count) * size * (isWide ? 0.602 : 0.56)
            let left = match.3 == "middle" ? x - width / 2 : match.3 == "end" ? x - width : x
            return TextBox(text: String(text), left: left, right: left + width, bottom: y, size: size)
        }
    }
}
