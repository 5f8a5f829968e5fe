/// A template in the language of Go's `text/template`, as Swarm's users write them.
///
/// Pipelines, fields, variables, `if`, `with`, `range` (each with `else`), comments and the trimming of white space are
/// there; templates within templates (`define`, `template`, `block`), `break` and `continue` are not, and are refused.
/// https://pkg.go.dev/text/template
package struct Template: Sendable {
    /// What is wrong with a template, or with what it is filled from.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// From 1.
        package var line: Int
        package var message: String

        package init(line: Int = 1, _ message: String) {
            self.line = line
            self.message = message
        }

        package var description: String { "template: expansion:\(line): \(message)" }
    }

    /// What a template can call beside the language's own functions.
    package typealias Function = @Sendable ([Value]) throws(Failure) -> Value

    let nodes: [Node]

    package init(_ text: some Sequence<UInt8>) throws(Failure) {
        var parser = TemplateParser(try TemplateScanner.pieces(Array(text)))
        nodes = try parser.parse()
    }

    /// `root`: What `.` and `$` are at first.
    package func fill(_ root: Value, functions: [String: Function] = [:]) throws(Failure) -> [UInt8] {
        var filling = TemplateFilling(root: root, functions: TemplateFunctions.all.merging(functions) { _, new in new })
        try filling.write(nodes, dot: root)
        return filling.output
    }
}

// MARK: its parts

extension Template {
    indirect enum Node: Sendable {
        case text([UInt8])
        case output(Pipeline)
        case branch(Branch, Pipeline, then: [Node], otherwise: [Node])
    }

    enum Branch: String, Sendable {
        case `if`, with, range
    }

    /// `$a, $b := command | command`.
    struct Pipeline: Sendable {
        var line: Int
        var variables: [String] = []
        /// `=` instead of `:=`.
        var isAssignment = false
        /// Each a list of operands: the first is called with the others.
        var commands: [[Operand]] = []
    }

    indirect enum Operand: Sendable {
        case dot
        case field([String])
        /// `$` is the variable without a name.
        case variable(String, [String])
        case literal(Value)
        case function(String)
        case group(Pipeline, [String])
    }
}

// MARK: values

extension Template {
    package indirect enum Value: Hashable, Sendable {
        case none
        case bool(Bool)
        case integer(Int)
        case text(String)
        case list([Value])
        /// Any key may be asked for by `index`; a field that is missing is an error.
        case map([String: Value])
        /// A thing with these fields and no others.
        case object([String: Value])

        /// As Go's `fmt.Print` writes it.
        var printed: String {
            switch self {
            case .none: "<no value>"
            case .bool(let flag): "\(flag)"
            case .integer(let number): "\(number)"
            case .text(let text): text
            case .list(let items): "[" + items.map(\.printed).joined(separator: " ") + "]"
            case .map(let fields):
                "map["
                    + fields.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.printed)" }
                    .joined(separator: " ") + "]"
            case .object(let fields):
                "{" + fields.sorted { $0.key < $1.key }.map(\.value.printed).joined(separator: " ") + "}"
            }
        }

        /// What `if` goes by: not zero, not empty.
        var isTrue: Bool {
            switch self {
            case .none: false
            case .bool(let flag): flag
            case .integer(let number): number != 0
            case .text(let text): !text.isEmpty
            case .list(let items): !items.isEmpty
            case .map(let fields): !fields.isEmpty
            case .object: true
            }
        }
    }
}
