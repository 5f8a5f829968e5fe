/// Takes a template's text apart: what stands as it is, and the words of each action.
struct TemplateScanner {
    enum Piece: Sendable {
        case text([UInt8])
        case action([Token], line: Int)
    }

    enum Token: Hashable, Sendable {
        /// `.`, or `.A.B`.
        case field([String])
        /// `$`, `$a`, or `$a.B`.
        case variable(String, [String])
        case word(String)
        case string(String)
        case number(Int)
        case pipe, comma, declare, assign, open
        /// A closing parenthesis, and the fields that are asked of what is in it.
        case close([String])
    }

    private let bytes: [UInt8]
    private var at = 0
    private var line = 1

    /// Empty texts and comments are not among them.
    static func pieces(_ bytes: [UInt8]) throws(Template.Failure) -> [Piece] {
        var scanner = TemplateScanner(bytes: bytes)
        return try scanner.pieces()
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func pieces() throws(Template.Failure) -> [Piece] {
        var pieces: [Piece] = []
        var trimsNext = false
        while at < bytes.count {
            let start = at
            while at < bytes.count, !isNext("{{") { step() }
            var text = bytes[start..<at]
            if trimsNext { text = text.drop(while: Self.isSpace) }
            guard at < bytes.count else {
                if !text.isEmpty { pieces.append(.text(Array(text))) }
                break
            }
            skip(2)
            if isNext("-"), at + 1 < bytes.count, Self.isSpace(bytes[at + 1]) {
                skip(1)
                while let last = text.last, Self.isSpace(last) { text.removeLast() }
            }
            if !text.isEmpty { pieces.append(.text(Array(text))) }
            let opened = line
            skipSpaces()
            if isNext("/*") {
                try skipComment()
                trimsNext = try end()
                continue
            }
            var tokens: [Token] = []
            while true {
                skipSpaces()
                if isNext("}}") || isTrimmingEnd { break }
                guard at < bytes.count else { throw Template.Failure(line: opened, "unclosed action") }
                tokens.append(try token())
            }
            trimsNext = try end()
            pieces.append(.action(tokens, line: opened))
        }
        return pieces
    }

    // MARK: words

    private mutating func token() throws(Template.Failure) -> Token {
        let byte = bytes[at]
        switch byte {
        case UInt8(ascii: "."):
            if at + 1 < bytes.count, Self.isLetter(bytes[at + 1]) { return .field(chain()) }
            skip(1)
            return .field([])
        case UInt8(ascii: "$"):
            skip(1)
            return .variable(name(), chain())
        case UInt8(ascii: "\""): return .string(try quoted())
        case UInt8(ascii: "`"): return .string(try raw())
        case UInt8(ascii: "|"): return single(.pipe)
        case UInt8(ascii: ","): return single(.comma)
        case UInt8(ascii: "="): return single(.assign)
        case UInt8(ascii: "("): return single(.open)
        case UInt8(ascii: ")"):
            skip(1)
            return .close(chain())
        case UInt8(ascii: ":") where isNext(":="):
            skip(2)
            return .declare
        default: break
        }
        if Self.isLetter(byte) { return .word(name()) }
        if Self.isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") { return try number() }
        throw failure("unexpected \"\(String(decoding: [byte], as: UTF8.self))\" in action")
    }

    private mutating func single(_ token: Token) -> Token {
        skip(1)
        return token
    }

    private mutating func name() -> String {
        let start = at
        while at < bytes.count, Self.isLetter(bytes[at]) || Self.isDigit(bytes[at]) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    /// `.A.B`, without spaces between.
    private mutating func chain() -> [String] {
        var fields: [String] = []
        while at + 1 < bytes.count, bytes[at] == UInt8(ascii: "."), Self.isLetter(bytes[at + 1]) {
            at += 1
            fields.append(name())
        }
        return fields
    }

    private mutating func number() throws(Template.Failure) -> Token {
        let start = at
        at += 1
        while at < bytes.count, Self.isLetter(bytes[at]) || Self.isDigit(bytes[at]) || bytes[at] == UInt8(ascii: ".") {
            at += 1
        }
        let text = String(decoding: bytes[start..<at], as: UTF8.self)
        guard let number = Int(text) else { throw failure("bad number syntax: \"\(text)\"; whole numbers are known") }
        return .number(number)
    }

    private mutating func raw() throws(Template.Failure) -> String {
        skip(1)
        let start = at
        while at < bytes.count, bytes[at] != UInt8(ascii: "`") { step() }
        guard at < bytes.count else { throw failure("unterminated raw quoted string") }
        defer { skip(1) }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func quoted() throws(Template.Failure) -> String {
        skip(1)
        var result: [UInt8] = []
        while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\n") {
            guard bytes[at] == UInt8(ascii: "\\"), at + 1 < bytes.count else {
                result.append(bytes[at])
                at += 1
                continue
            }
            let escapes: [UInt8: UInt8] = [
                UInt8(ascii: "n"): 10, UInt8(ascii: "t"): 9, UInt8(ascii: "r"): 13, UInt8(ascii: "\\"): 92,
                UInt8(ascii: "\""): 34, UInt8(ascii: "'"): 39,
            ]
            guard let meant = escapes[bytes[at + 1]] else { throw failure("unknown escape in a quoted string") }
            result.append(meant)
            at += 2
        }
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw failure("unterminated quoted string") }
        skip(1)
        return String(decoding: result, as: UTF8.self)
    }

    // MARK: ends

    private var isTrimmingEnd: Bool { isNext("-}}") && at > 0 && Self.isSpace(bytes[at - 1]) }

    /// Steps over the end of an action; returns whether what follows loses its white space.
    private mutating func end() throws(Template.Failure) -> Bool {
        skipSpaces()
        if isTrimmingEnd {
            skip(3)
            return true
        }
        guard isNext("}}") else { throw failure("comment ends before closing delimiter") }
        skip(2)
        return false
    }

    private mutating func skipComment() throws(Template.Failure) {
        while at < bytes.count, !isNext("*/") { step() }
        guard at < bytes.count else { throw failure("unclosed comment") }
        skip(2)
    }

    private mutating func skipSpaces() {
        while at < bytes.count, Self.isSpace(bytes[at]) { step() }
    }

    private mutating func step() {
        if bytes[at] == UInt8(ascii: "\n") { line += 1 }
        at += 1
    }

    private mutating func skip(_ count: Int) { at += count }

    private func isNext(_ text: StaticString) -> Bool {
        guard at + text.utf8CodeUnitCount <= bytes.count else { return false }
        for offset in 0..<text.utf8CodeUnitCount where bytes[at + offset] != text.utf8Start[offset] { return false }
        return true
    }

    private func failure(_ message: String) -> Template.Failure { Template.Failure(line: line, message) }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...10).contains(byte) || byte == 13 }
    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool {
        (65...90).contains(byte) || (97...122).contains(byte) || byte == 95 || byte >= 128
    }
}
