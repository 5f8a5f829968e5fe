/// A regular expression as Docker takes them for names of networks: those of Go, searched for anywhere in a text.
///
/// Matching takes time in proportion to pattern and text, whatever they are, because all ways are walked at once (Thompson
/// 1968, https://swtch.com/~rsc/regexp/regexp1.html): a pattern of somebody else's must not hold a thread.
struct NamePattern: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        case one(CharacterSet)
        case start
        case end
        /// Goes both ways.
        case split(Int, Int)
        case jump(Int)
        case match
    }

    /// Characters by their Unicode numbers.
    struct CharacterSet: Hashable, Sendable {
        var ranges: [ClosedRange<UInt32>]
        var isNegated = false

        func contains(_ character: Unicode.Scalar) -> Bool {
            ranges.contains { $0.contains(character.value) } != isNegated
        }
    }

    /// Go's limit of a repetition is 1000; ours of the whole.
    static let limit = 10_000
    private let steps: [Step]

    /// `nil` for what is no pattern: it matches nothing, as in Docker.
    init?(_ text: String) {
        var parser = NamePatternParser(text)
        guard let node = parser.whole() else { return nil }
        var steps: [Step] = []
        guard Self.emit(node, to: &steps) else { return nil }
        self.steps = steps + [.match]
    }

    /// Whether it is found anywhere in a text.
    func isFound(in text: String) -> Bool {
        let characters = Array(text.unicodeScalars)
        var current: [Int] = []
        for at in 0...characters.count {
            var seen = Set(current)
            // It may begin anywhere.
            if reach(0, at, characters.count, &seen, &current) { return true }
            guard at < characters.count else { break }
            var next: [Int] = []
            var reached: Set<Int> = []
            for index in current {
                guard case .one(let set) = steps[index], set.contains(characters[at]) else { continue }
                if reach(index + 1, at + 1, characters.count, &reached, &next) { return true }
            }
            current = next
        }
        return false
    }

    /// Adds the steps that wait for a character, from one on; whether the end of the pattern is among them.
    private func reach(_ from: Int, _ at: Int, _ count: Int, _ seen: inout Set<Int>, _ list: inout [Int]) -> Bool {
        var open = [from]
        while let index = open.popLast() {
            guard seen.insert(index).inserted else { continue }
            switch steps[index] {
            case .match: return true
            case .one: list.append(index)
            case .start: if at == 0 { open.append(index + 1) }
            case .end: if at == count { open.append(index + 1) }
            case .jump(let to): open.append(to)
            case .split(let a, let b): open += [a, b]
            }
        }
        return false
    }

    /// Writes a node's steps; `false` when they are too many.
    private static func emit(_ node: NamePatternParser.Node, to steps: inout [Step]) -> Bool {
        guard steps.count < limit else { return false }
        switch node {
        case .one(let set): steps.append(.one(set))
        case .start: steps.append(.start)
        case .end: steps.append(.end)
        case .sequence(let nodes): for node in nodes { guard emit(node, to: &steps) else { return false } }
        case .either(let nodes): return emit(either: nodes[...], to: &steps)
        case .times(let inner, let least, let most):
            for _ in 0..<least { guard emit(inner, to: &steps) else { return false } }
            guard let most else {
                let split = steps.count
                steps.append(.match)
                guard emit(inner, to: &steps) else { return false }
                steps.append(.jump(split))
                steps[split] = .split(split + 1, steps.count)
                return true
            }
            for _ in least..<max(least, most) {
                let split = steps.count
                steps.append(.match)
                guard emit(inner, to: &steps) else { return false }
                steps[split] = .split(split + 1, steps.count)
            }
        }
        return true
    }

    private static func emit(either nodes: ArraySlice<NamePatternParser.Node>, to steps: inout [Step]) -> Bool {
        guard let first = nodes.first else { return true }
        guard nodes.count > 1 else { return emit(first, to: &steps) }
        let split = steps.count
        steps.append(.match)
        guard emit(first, to: &steps) else { return false }
        let jump = steps.count
        steps.append(.match)
        steps[split] = .split(split + 1, steps.count)
        guard emit(either: nodes.dropFirst(), to: &steps) else { return false }
        steps[jump] = .jump(steps.count)
        return true
    }
}
