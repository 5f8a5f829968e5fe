/// A balancing decision in a table's place: a fan of ways, the one that is followed along the path.
struct DiagramBalancer {
    private struct Branch {
        var name: String
        var share: String
        var isChosen: Bool
        /// Above or below the path.
        var offset: Double
    }

    private let hop: Hop
    private let branches: [Branch]
    private let more: Int

    /// One above the path and two below it, beside the path's own: more have no room.
    private static let offsets = [-18.0, 17, 31]

    init(_ hop: Hop) {
        self.hop = hop
        let others = hop.candidates.filter { !$0.isChosen }
        func branch(_ candidate: Candidate, _ offset: Double) -> Branch {
            Branch(
                name: Texts.shorten(candidate.owner ?? candidate.target, 14), share: candidate.share,
                isChosen: candidate.isChosen, offset: offset)
        }
        branches =
            hop.candidates.filter(\.isChosen).map { branch($0, 0) }
            + zip(others, Self.offsets).map { branch($0, $1) }
        more = max(0, others.count - Self.offsets.count)
    }

    var width: Double {
        let longest = branches.map { SVGCanvas.width("\($0.name) \($0.share)", 10, isMonospace: false) }.max() ?? 0
        return max(118, longest + 46, SVGCanvas.width(foot, 11) + 14)
    }

    private var foot: String { Texts.shorten(hop.stage.name, 18) + (more > 0 ? " +\(more)" : "") }

    func draw(_ x: Double, _ y: Double, _ height: Double, _ canvas: inout SVGCanvas) {
        let top = y - height / 2
        canvas.rect(x, top, width, height, radius: 12, "acting")
        canvas.text(hop.stage.table ?? "", x + width / 2, top + 13, "mono bold", anchor: "middle")
        for branch in branches where !branch.isChosen {
            canvas.path(
                "M\(SVGCanvas.number(x + 8)) \(SVGCanvas.number(y))L\(SVGCanvas.number(x + 30)) "
                    + "\(SVGCanvas.number(y + branch.offset))H\(SVGCanvas.number(x + width - 8))", "way")
        }
        for branch in branches {
            let text = "\(branch.name) \(branch.share)"
            canvas.text(text, x + 34, y + branch.offset - 4, branch.isChosen ? "small bold" : "small")
        }
        canvas.text(foot, x + width / 2, y + height / 2 - 5, "mono", anchor: "middle")
    }
}
