/// Makes a tree of a template's pieces.
struct TemplateParser {
    typealias Token = TemplateScanner.Token

    private let pieces: [TemplateScanner.Piece]
    private var at = 0

    init(_ pieces: [TemplateScanner.Piece]) { self.pieces = pieces }

    mutating func parse() throws(Template.Failure) -> [Template.Node] {
        let (nodes, end) = try list()
        if let end { throw Template.Failure(line: end.line, "unexpected {{\(end.word)}}") }
        return nodes
    }

    /// What a list ends with: `{{end}}`, or `{{else …}}`.
    private struct End {
        var word: String
        var rest: ArraySlice<Token>
        var line: Int
    }

    private mutating func list() throws(Template.Failure) -> ([Template.Node], End?) {
        var nodes: [Template.Node] = []
        while at < pieces.count {
            let piece = pieces[at]
            at += 1
            guard case .action(let tokens, let line) = piece else {
                if case .text(let text) = piece { nodes.append(.text(text)) }
                continue
            }
            guard case .word(let word)? = tokens.first else {
                nodes.append(.output(try Self.pipeline(tokens[...], line)))
                continue
            }
            switch word {
            case "end", "else": return (nodes, End(word: word, rest: tokens.dropFirst(), line: line))
            case "define", "template", "block", "break", "continue":
                throw Template.Failure(line: line, "{{\(word)}} is not supported by causeway")
            default: break
            }
            if let branch = Template.Branch(rawValue: word) {
                nodes.append(try self.branch(branch, tokens.dropFirst(), line))
            } else {
                nodes.append(.output(try Self.pipeline(tokens[...], line)))
            }
        }
        return (nodes, nil)
    }

    private mutating func branch(
        _ branch: Template.Branch, _ tokens: ArraySlice<Token>, _ line: Int
    ) throws(Template.Failure) -> Template.Node {
        let pipeline = try Self.pipeline(tokens, line)
        let (then, end) = try list()
        guard let end else { throw Template.Failure(line: line, "unexpected EOF") }
        guard end.word == "else" else { return .branch(branch, pipeline, then: then, otherwise: []) }
        // `{{else if x}}` is `{{else}}{{if x}}`, ended by the same `{{end}}`.
        if case .word(let word)? = end.rest.first, let next = Template.Branch(rawValue: word), next != .range {
            let nested = try self.branch(next, end.rest.dropFirst(), end.line)
            return .branch(branch, pipeline, then: then, otherwise: [nested])
        }
        guard end.rest.isEmpty else { throw Template.Failure(line: end.line, "unexpected words in {{else}}") }
        let (otherwise, last) = try list()
        guard last?.word == "end" else { throw Template.Failure(line: line, "expected end; found {{else}} or EOF") }
        return .branch(branch, pipeline, then: then, otherwise: otherwise)
    }

    // MARK: pipelines

    private static func pipeline(
        _ tokens: ArraySlice<Token>, _ line: Int
    ) throws(Template.Failure) -> Template.Pipeline {
        var rest = tokens
        let pipeline = try pipeline(&rest, line)
        guard rest.isEmpty else { throw Template.Failure(line: line, "unexpected \")\" in action") }
        return pipeline
    }

    /// Reads up to a closing parenthesis or the end.
    private static func pipeline(
        _ tokens: inout ArraySlice<Token>, _ line: Int
    ) throws(Template.Failure) -> Template.Pipeline {
        var pipeline = Template.Pipeline(line: line)
        try declaration(&tokens, &pipeline)
        var command: [Template.Operand] = []
        func finish() throws(Template.Failure) {
            guard !command.isEmpty else { throw Template.Failure(line: line, "missing value for command") }
            pipeline.commands.append(command)
            command = []
        }
        while let token = tokens.first {
            if case .close = token { break }
            tokens.removeFirst()
            if token == .pipe { try finish() } else { command.append(try operand(token, &tokens, line)) }
        }
        try finish()
        return pipeline
    }

    private static func declaration(
        _ tokens: inout ArraySlice<Token>, _ pipeline: inout Template.Pipeline
    ) throws(Template.Failure) {
        var rest = tokens
        var names: [String] = []
        while case .variable(let name, [])? = rest.first {
            names.append(name)
            rest.removeFirst()
            guard rest.first == .comma else { break }
            rest.removeFirst()
        }
        guard !names.isEmpty, let sign = rest.first, sign == .declare || sign == .assign else { return }
        guard names.count <= 2, !names.contains("") else {
            throw Template.Failure(line: pipeline.line, "too many declarations, or a variable without a name")
        }
        (pipeline.variables, pipeline.isAssignment) = (names, sign == .assign)
        tokens = rest.dropFirst()
    }

    private static func operand(
        _ token: Token, _ tokens: inout ArraySlice<Token>, _ line: Int
    ) throws(Template.Failure) -> Template.Operand {
        switch token {
        case .field(let names): return names.isEmpty ? .dot : .field(names)
        case .variable(let name, let fields): return .variable(name, fields)
        case .string(let text): return .literal(.text(text))
        case .number(let number): return .literal(.integer(number))
        case .word("true"): return .literal(.bool(true))
        case .word("false"): return .literal(.bool(false))
        case .word("nil"): return .literal(.none)
        case .word(let name): return .function(name)
        case .open:
            let inner = try pipeline(&tokens, line)
            guard case .close(let fields)? = tokens.popFirst() else {
                throw Template.Failure(line: line, "unclosed left paren")
            }
            return .group(inner, fields)
        case .pipe, .comma, .declare, .assign, .close:
            throw Template.Failure(line: line, "unexpected sign in operand")
        }
    }
}
