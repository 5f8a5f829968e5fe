/// Reads Go's syntax of regular expressions (RE2), without word boundaries and classes of Unicode.
struct NamePatternParser {
    indirect enum Node {
        case one(NamePattern.CharacterSet)
        case start
        case end
        case sequence([Node])
        case either([Node])
        /// Without `most`: any number.
        case times(Node, least: Int, most: Int?)
    }

    private var rest: ArraySlice<Unicode.Scalar>
    private var ignoresCase = false
    private var depth = 0

    init(_ text: String) { rest = Array(text.unicodeScalars)[...] }

    mutating func whole() -> Node? {
        guard let node = alternatives(), rest.isEmpty else { return nil }
        return node
    }

    private mutating func alternatives() -> Node? {
        depth += 1
        defer { depth -= 1 }
        guard depth < 100, let first = sequence() else { return nil }
        var found = [first]
        while take("|") {
            guard let next = sequence() else { return nil }
            found.append(next)
        }
        return found.count == 1 ? first : .either(found)
    }

    private mutating func sequence() -> Node? {
        var found: [Node] = []
        while let next = rest.first, next != "|", next != ")" {
            guard let node = atom(), let repeated = repetition(of: node) else { return nil }
            found.append(repeated)
        }
        return .sequence(found)
    }

    private mutating func atom() -> Node? {
        guard let character = rest.popFirst() else { return nil }
        switch character {
        case "^": return .start
        case "$": return .end
        case ".": return .one(.init(ranges: [10...10], isNegated: true))
        case "(": return group()
        case "[": return set()
        case "*", "+", "?": return nil
        case "\\":
            if take("A") { return .start }
            if take("z") { return .end }
            return escaped().map(Node.one)
        default: return .one(literal(character))
        }
    }

    private mutating func group() -> Node? {
        let before = ignoresCase
        if take("?") {
            while let flag = rest.popFirst(), flag != ":" {
                if flag == ")" { return .sequence([]) }
                guard flag == "i" || flag == "s" || flag == "U" else { return nil }
                if flag == "i" { ignoresCase = true }
            }
        }
        guard let node = alternatives(), take(")") else { return nil }
        ignoresCase = before
        return node
    }

    private mutating func repetition(of node: Node) -> Node? {
        var result = node
        guard let (least, most) = counts() else { return node }
        guard least <= 1000, most ?? 0 <= 1000, least <= most ?? least else { return nil }
        result = .times(node, least: least, most: most)
        // The shortest is found where the longest is: only whether there is one counts.
        _ = take("?")
        return counts() == nil ? result : nil
    }

    private mutating func counts() -> (Int, Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        // Braces that are no count stand for themselves.
        guard rest.first == "{", let end = rest.firstIndex(of: "}") else { return nil }
        let inside = String(String.UnicodeScalarView(rest[(rest.startIndex + 1)..<end]))
        let parts = inside.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), let least = Int(parts[0]) else { return nil }
        let most = parts.count == 1 ? least : Int(parts[1])
        guard parts.count == 1 || parts[1].isEmpty || most != nil else { return nil }
        rest = rest[(end + 1)...]
        return (least, most)
    }

    private mutating func set() -> Node? {
        var set = NamePattern.CharacterSet(ranges: [])
        set.isNegated = take("^")
        var isFirst = true
        while let character = rest.popFirst() {
            if character == "]", !isFirst { return .one(set) }
            isFirst = false
            var low = NamePattern.CharacterSet(ranges: [character.value...character.value])
            if character == "\\" {
                guard let found = escaped(), !found.isNegated else { return nil }
                low = found
            } else if character == "[", take(":") {
                guard let found = named() else { return nil }
                low = found
            }
            guard rest.first == "-", let after = rest.dropFirst().first, after != "]" else {
                set.ranges += ignoresCase ? low.ranges.flatMap(Self.bothCases) : low.ranges
                continue
            }
            rest = rest.dropFirst()
            var high = rest.popFirst()
            if high == "\\" { high = escaped().flatMap { Unicode.Scalar($0.ranges[0].lowerBound) } }
            guard let high, let from = low.ranges.first?.lowerBound, from <= high.value else { return nil }
            set.ranges += ignoresCase ? Self.bothCases(from...high.value) : [from...high.value]
        }
        return nil
    }

    /// `alpha:]` of `[:alpha:]`.
    private mutating func named() -> NamePattern.CharacterSet? {
        let name = String(String.UnicodeScalarView(rest.prefix { $0 != ":" }))
        rest = rest.dropFirst(name.unicodeScalars.count)
        guard take(":"), take("]") else { return nil }
        let ranges: [String: [ClosedRange<UInt32>]] = [
            "alpha": [65...90, 97...122], "digit": [48...57], "alnum": [48...57, 65...90, 97...122],
            "lower": [97...122], "upper": [65...90], "space": [9...13, 32...32], "word": Self.word,
            "xdigit": [48...57, 65...70, 97...102], "punct": [33...47, 58...64, 91...96, 123...126],
        ]
        return ranges[name].map { .init(ranges: $0) }
    }

    private static let word: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]

    /// What stands behind a backslash.
    private mutating func escaped() -> NamePattern.CharacterSet? {
        guard let character = rest.popFirst() else { return nil }
        let space: [ClosedRange<UInt32>] = [9...10, 12...13, 32...32]
        switch character {
        case "d": return .init(ranges: [48...57])
        case "D": return .init(ranges: [48...57], isNegated: true)
        case "w": return .init(ranges: Self.word)
        case "W": return .init(ranges: Self.word, isNegated: true)
        case "s": return .init(ranges: space)
        case "S": return .init(ranges: space, isNegated: true)
        case "n": return .init(ranges: [10...10])
        case "r": return .init(ranges: [13...13])
        case "t": return .init(ranges: [9...9])
        default:
            // Letters and digits that mean nothing are refused, as in Go.
            guard !character.properties.isAlphabetic, !(48...57).contains(character.value) else { return nil }
            return literal(character)
        }
    }

    private func literal(_ character: Unicode.Scalar) -> NamePattern.CharacterSet {
        let range = character.value...character.value
        return .init(ranges: ignoresCase ? Self.bothCases(range) : [range])
    }

    /// A range of characters with the other case of its Latin letters.
    private static func bothCases(_ range: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
        var found = [range]
        for (letters, shift) in [(UInt32(65)...90, Int64(32)), (97...122, -32)] where range.overlaps(letters) {
            let inside = range.clamped(to: letters)
            found.append(UInt32(Int64(inside.lowerBound) + shift)...UInt32(Int64(inside.upperBound) + shift))
        }
        return found
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }
}
