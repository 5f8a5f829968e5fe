/// The functions that every template has: Go's own, and Swarm's `join`.
enum TemplateFunctions {
    typealias Value = Template.Value

    static let all: [String: Template.Function] = [
        "and": { (values) throws(Template.Failure) in
            try need(values, 1).first { !$0.isTrue } ?? values[values.count - 1]
        },
        "or": { (values) throws(Template.Failure) in try need(values, 1).first { $0.isTrue } ?? values[values.count - 1]
        },
        "not": { (values) throws(Template.Failure) in .bool(try !need(values, 1)[0].isTrue) },
        "len": { (values) throws(Template.Failure) in .integer(try length(need(values, 1)[0])) },
        "index": { (values) throws(Template.Failure) in try index(need(values, 1)) },
        "print": { values in .text(values.map(\.printed).joined()) },
        "println": { values in .text(values.map(\.printed).joined(separator: " ") + "\n") },
        "printf": { (values) throws(Template.Failure) in .text(try format(need(values, 1))) },
        "join": { (values) throws(Template.Failure) in
            let texts = try need(values, 1).map(\.printed)
            return .text(texts.dropFirst().joined(separator: texts[0]))
        },
        // Equal to any of the others, as in Go.
        "eq": { (values) throws(Template.Failure) in .bool(try need(values, 2).dropFirst().contains(values[0])) },
        "ne": { (values) throws(Template.Failure) in .bool(try need(values, 2)[0] != values[1]) },
        "lt": { (values) throws(Template.Failure) in .bool(try isLess(need(values, 2)[0], values[1])) },
        "le": { (values) throws(Template.Failure) in .bool(try !isLess(need(values, 2)[1], values[0])) },
        "gt": { (values) throws(Template.Failure) in .bool(try isLess(need(values, 2)[1], values[0])) },
        "ge": { (values) throws(Template.Failure) in .bool(try !isLess(need(values, 2)[0], values[1])) },
    ]

    private static func need(_ values: [Value], _ count: Int) throws(Template.Failure) -> [Value] {
        guard values.count >= count else {
            throw Template.Failure("wrong number of args: want at least \(count) got \(values.count)")
        }
        return values
    }

    private static func length(_ value: Value) throws(Template.Failure) -> Int {
        switch value {
        case .text(let text): return text.utf8.count
        case .list(let items): return items.count
        case .map(let fields): return fields.count
        default: throw Template.Failure("len of \(value.printed)")
        }
    }

    /// As in Go, a map's key that is missing gives nothing, and is no error.
    private static func index(_ values: [Value]) throws(Template.Failure) -> Value {
        var value = values[0]
        for key in values.dropFirst() {
            switch (value, key) {
            case (.map(let fields), .text(let name)): value = fields[name] ?? .text("")
            case (.list(let items), .integer(let number)):
                guard items.indices.contains(number) else {
                    throw Template.Failure("index out of range: \(number)")
                }
                value = items[number]
            default: throw Template.Failure("cannot index \(value.printed) with \(key.printed)")
            }
        }
        return value
    }

    private static func isLess(_ a: Value, _ b: Value) throws(Template.Failure) -> Bool {
        switch (a, b) {
        case (.integer(let a), .integer(let b)): return a < b
        case (.text(let a), .text(let b)): return a < b
        default: throw Template.Failure("incompatible types for comparison")
        }
    }

    /// `%s`, `%v`, `%d`, `%q`, `%t`, `%x` of numbers, with `-`, `0` and a width.
    private static func format(_ values: [Value]) throws(Template.Failure) -> String {
        guard case .text(let format) = values[0] else { throw Template.Failure("printf wants a text first") }
        var arguments = values.dropFirst()
        var result = ""
        var rest = format[...]
        while let sign = rest.firstIndex(of: "%") {
            result += rest[..<sign]
            rest = rest[rest.index(after: sign)...]
            let flags = rest.prefix { "-0".contains($0) }
            rest = rest[flags.endIndex...]
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest[digits.endIndex...]
            guard let verb = rest.popFirst() else { throw Template.Failure("printf: a format ends with %") }
            if verb == "%" {
                result += "%"
                continue
            }
            guard let argument = arguments.popFirst() else { throw Template.Failure("printf: missing argument") }
            let width = min(Int(digits) ?? 0, 1_000)
            let text = try written(argument, as: verb)
            let fill = String(
                repeating: flags.contains("0") && !flags.contains("-") ? "0" : " ", count: max(0, width - text.count))
            result += flags.contains("-") ? text + fill : fill + text
        }
        return result + rest
    }

    private static func written(_ value: Value, as verb: Character) throws(Template.Failure) -> String {
        switch (verb, value) {
        case ("s", .text), ("v", _), ("d", .integer), ("t", .bool): return value.printed
        case ("x", .integer(let number)): return String(number, radix: 16)
        case ("q", .text(let text)):
            return "\"" + text.map { "\"\\".contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
        default: throw Template.Failure("printf: %\(verb) of \(value.printed)")
        }
    }
}
