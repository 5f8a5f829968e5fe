/// One run of a template: what is written, and the variables that are known.
struct TemplateFilling {
    private(set) var output: [UInt8] = []
    private var variables: [(name: String, value: Template.Value)]
    private let functions: [String: Template.Function]

    init(root: Template.Value, functions: [String: Template.Function]) {
        self.functions = functions
        variables = [("", root)]
    }

    mutating func write(_ nodes: [Template.Node], dot: Template.Value) throws(Template.Failure) {
        for node in nodes {
            switch node {
            case .text(let text): output += text
            case .output(let pipeline):
                let value = try value(of: pipeline, dot)
                if pipeline.variables.isEmpty { output += Array(value.printed.utf8) }
            case .branch(let branch, let pipeline, let then, let otherwise):
                let depth = variables.count
                try write(branch, pipeline, then, otherwise, dot)
                variables.removeSubrange(depth...)
            }
        }
    }

    private mutating func write(
        _ branch: Template.Branch, _ pipeline: Template.Pipeline, _ then: [Template.Node],
        _ otherwise: [Template.Node], _ dot: Template.Value
    ) throws(Template.Failure) {
        guard branch == .range else {
            let value = try value(of: pipeline, dot)
            guard value.isTrue else { return try write(otherwise, dot: dot) }
            return try write(then, dot: branch == .with ? value : dot)
        }
        var plain = pipeline
        plain.variables = []
        let items = try Self.items(of: try value(of: plain, dot), pipeline.line)
        guard !items.isEmpty else { return try write(otherwise, dot: dot) }
        let depth = variables.count
        for (key, item) in items {
            // With one variable it is the element, with two the key comes first.
            let values = pipeline.variables.count == 2 ? [key, item] : [item]
            for (name, value) in zip(pipeline.variables, values) { variables.append((name, value)) }
            try write(then, dot: item)
            variables.removeSubrange(depth...)
        }
    }

    private static func items(
        of value: Template.Value, _ line: Int
    ) throws(Template.Failure) -> [(Template.Value, Template.Value)] {
        switch value {
        case .none: return []
        case .list(let items): return items.enumerated().map { (.integer($0), $1) }
        case .map(let fields): return fields.sorted { $0.key < $1.key }.map { (.text($0.key), $0.value) }
        default: throw Template.Failure(line: line, "range can't iterate over \(value.printed)")
        }
    }

    // MARK: values

    private mutating func value(
        of pipeline: Template.Pipeline, _ dot: Template.Value
    ) throws(Template.Failure) -> Template.Value {
        var result: Template.Value?
        for command in pipeline.commands { result = try value(of: command, dot, last: result, pipeline.line) }
        let value = result ?? .none
        for name in pipeline.variables {
            guard pipeline.isAssignment else {
                variables.append((name, value))
                continue
            }
            guard let index = variables.lastIndex(where: { $0.name == name }) else {
                throw Template.Failure(line: pipeline.line, "undefined variable \"$\(name)\"")
            }
            variables[index].value = value
        }
        return value
    }

    /// `last`: What the command before it gave, the last argument of this one.
    private mutating func value(
        of command: [Template.Operand], _ dot: Template.Value, last: Template.Value?, _ line: Int
    ) throws(Template.Failure) -> Template.Value {
        guard let first = command.first else { return last ?? .none }
        guard case .function(let name) = first else {
            guard command.count == 1, last == nil else {
                throw Template.Failure(line: line, "can't give argument to non-function")
            }
            return try value(of: first, dot, line)
        }
        guard let function = functions[name] else {
            throw Template.Failure(line: line, "function \"\(name)\" not defined")
        }
        var arguments: [Template.Value] = []
        for operand in command.dropFirst() { arguments.append(try value(of: operand, dot, line)) }
        if let last { arguments.append(last) }
        do throws(Template.Failure) {
            return try function(arguments)
        } catch {
            throw Template.Failure(line: line, "error calling \(name): \(error.message)")
        }
    }

    private mutating func value(
        of operand: Template.Operand, _ dot: Template.Value, _ line: Int
    ) throws(Template.Failure) -> Template.Value {
        switch operand {
        case .dot: return dot
        case .field(let names): return try Self.field(names, of: dot, line)
        case .literal(let value): return value
        case .function: return try value(of: [operand], dot, last: nil, line)
        case .group(let pipeline, let names): return try Self.field(names, of: try value(of: pipeline, dot), line)
        case .variable(let name, let names):
            guard let found = variables.last(where: { $0.name == name }) else {
                throw Template.Failure(line: line, "undefined variable \"$\(name)\"")
            }
            return try Self.field(names, of: found.value, line)
        }
    }

    private static func field(
        _ names: [String], of value: Template.Value, _ line: Int
    ) throws(Template.Failure) -> Template.Value {
        var value = value
        for name in names {
            switch value {
            case .object(let fields):
                guard let next = fields[name] else {
                    let known = fields.keys.sorted().map { ".\($0)" }.joined(separator: ", ")
                    throw Template.Failure(line: line, "can't evaluate field \(name): known are \(known)")
                }
                value = next
            case .map(let fields):
                guard let next = fields[name] else {
                    throw Template.Failure(line: line, "map has no entry for key \"\(name)\"")
                }
                value = next
            default:
                throw Template.Failure(line: line, "can't evaluate field \(name) in \(value.printed)")
            }
        }
        return value
    }
}
