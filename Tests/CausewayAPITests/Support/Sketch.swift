import CausewayTestKit

/// A JSON text in the making, which need not become a proper one.
indirect enum Sketch {
    case text(String)
    case object([(name: String, value: Sketch)])
    case list([Sketch])

    var json: String {
        switch self {
        case .text(let text): text
        case .object(let members):
            "{" + members.map { Sketch.quoted($0.name) + ":" + $0.value.json }.joined(separator: ",") + "}"
        case .list(let items): "[" + items.map(\.json).joined(separator: ",") + "]"
        }
    }

    static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    /// The same with `value` at a place, and all that has to stand around it.
    func setting(_ way: some Collection<Shape.Step>, to value: Sketch) -> Sketch {
        guard let step = way.first else { return value }
        let rest = way.dropFirst()
        switch step {
        case .item: return .list([Sketch.object([]).setting(rest, to: value)])
        case .key: return member("k", rest, value)
        case .field(let name): return member(name, rest, value)
        }
    }

    private func member(_ name: String, _ rest: some Collection<Shape.Step>, _ value: Sketch) -> Sketch {
        var members: [(name: String, value: Sketch)] = []
        if case .object(let given) = self { members = given }
        if let at = members.firstIndex(where: { $0.name == name }) {
            members[at].value = members[at].value.setting(rest, to: value)
        } else {
            members.append((name, Sketch.object([]).setting(rest, to: value)))
        }
        return .object(members)
    }

    /// The same with one more member in the object that holds a place.
    func adding(_ name: String, _ value: Sketch, beside way: some BidirectionalCollection<Shape.Step>) -> Sketch {
        guard way.count > 1, let step = way.first else {
            guard case .object(let members) = self else { return self }
            return .object(members + [(name, value)])
        }
        switch (step, self) {
        case (.item, .list(let items)):
            return .list(items.map { $0.adding(name, value, beside: way.dropFirst()) })
        case (.key, .object(let members)):
            return .object(members.map { ($0.name, $0.value.adding(name, value, beside: way.dropFirst())) })
        case (.field(let field), .object(let members)):
            return .object(
                members.map {
                    $0.name == field ? ($0.name, $0.value.adding(name, value, beside: way.dropFirst())) : $0
                })
        default: return self
        }
    }
}

extension Shape {
    /// A value as it is meant to be.
    func plausible(_ dice: inout SeededGenerator) -> Sketch {
        switch self {
        case .any: return .text("{}")
        case .string: return .text(dice.pick([#""x""#, #""a-b""#, #""10.9.0.0/24""#, #""""#, #""eA==""#, #""1""#]))
        case .integer: return .text(dice.pick(["0", "1", "2", "420", "8080", "1000000000", "5000000000"]))
        case .number: return .text(dice.pick(["0", "0.5", "1"]))
        case .boolean: return .text(dice.pick(["true", "false"]))
        case .words(let words): return .text(Sketch.quoted(dice.pick(words)))
        case .map(let shape): return .object([("k", shape.plausible(&dice))])
        case .list(let shape): return .list([shape.plausible(&dice)])
        case .object(let fields):
            let chosen = fields.sorted { $0.key < $1.key }.filter { _ in dice.oneIn(3) }
            return .object(chosen.map { ($0.key, $0.value.plausible(&dice)) })
        }
    }

    /// Well formed, and of another type than this; `nil` where any will do.
    func wrong(_ dice: inout SeededGenerator) -> Sketch? {
        let values: [String]
        switch self {
        case .any: return nil
        case .string, .words: values = ["7", "1.5", "true", "[]", "{}", #"["x"]"#]
        case .integer: values = [#""x""#, #""7""#, "1.5", "true", "[]", "{}", "[7]"]
        case .number: values = [#""x""#, #""0.5""#, "true", "[]", "{}"]
        case .boolean: values = [#""true""#, "1", "0", "[]", "{}"]
        case .map, .object: values = ["7", "true", #""x""#, "[]", "[{}]"]
        case .list: values = ["7", "true", #""x""#, "{}", #"{"0":"x"}"#]
        }
        return .text(dice.pick(values))
    }
}
