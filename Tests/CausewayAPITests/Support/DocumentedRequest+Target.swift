import CausewayTestKit

extension DocumentedRequest {
    /// A request's target, with at most one thing wrong.
    struct Target {
        var text: String

        /// `query`: What the call cannot do without.
        init(
            _ call: EngineAPI.Call, _ fault: Fault, _ names: [String: String], _ query: [String],
            _ dice: inout SeededGenerator
        ) {
            var parts = call.path.split(separator: "/").map(String.init)
            let holes = parts.indices.filter { parts[$0].hasPrefix("{") }
            for index in holes { parts[index] = Self.name(fault, &dice) ?? names[parts[0]] ?? "x" }
            // A call without a name gets one all the same.
            if holes.isEmpty, let name = Self.name(fault, &dice) { parts.append(name) }
            var query = query
            for parameter in call.parameters(in: "query") {
                guard !query.contains(where: { $0.hasPrefix("\(parameter.name)=") }) else { continue }
                guard parameter.required || dice.oneIn(3) else { continue }
                query.append("\(parameter.name)=\(Self.plausible(parameter, &dice))")
            }
            if fault == .query || fault == .doubledQuery {
                let name = dice.pick(call.parameters(in: "query").map(\.name) + [dice.pick(Hostile.parameters)])
                let bad = "\(name)=\(dice.pick(Hostile.words))"
                query = fault == .query ? [bad] + query.filter { !$0.hasPrefix("\(name)=") } : query + [bad, bad]
            }
            // A stream that nobody ends has no answer.
            if call.path == "/events" { query = query.filter { !$0.hasPrefix("until=") } + ["until=1"] }
            text = Self.version(fault, &dice) + "/" + parts.joined(separator: "/")
            if !query.isEmpty { text += "?" + query.joined(separator: "&") }
        }

        private static func version(_ fault: Fault, _ dice: inout SeededGenerator) -> String {
            guard fault == .wrongVersion else { return dice.pick(["/v1.41", "/v1.50", "/v1.24", ""]) }
            return dice.pick([
                "/v0.1", "/v9.99", "/v1.23", "/v1.51", "/v1", "/v", "/v1.41.1", "/v-1.41", "/vv1.41", "/v1.41/v1.41",
                "/v1.99999999999999999999", "/v%31.41",
            ])
        }

        /// A name that nothing has; `nil` where the right one is meant.
        private static func name(_ fault: Fault, _ dice: inout SeededGenerator) -> String? {
            switch fault {
            case .nameWithSlash:
                dice.pick(["a/b", "web/", "a%2fb", "..", "../..", ".", "%2e%2e%2f%2e%2e", "//", "web/update/x"])
            case .nameWithEscapes:
                dice.pick([
                    "%00", "web%00", "%1b%5b2J", "%0d%0aX:y", "%zz", "%", "%f0%9f%9a%80", "%ff%fe", "a%20b", "*",
                    "{id}",
                    "we%62", "'%22", "#x", "a;b", "\u{1b}[2J", "\u{0}", "\u{e9}", "a b",
                ])
            case .nameOverlong: String(repeating: dice.pick(["a", "%41", "a/"]), count: dice.pick([300, 10_000]))
            default: nil
            }
        }

        private static func plausible(_ parameter: EngineAPI.Parameter, _ dice: inout SeededGenerator) -> String {
            if parameter.name == "filters" {
                return dice.pick([
                    "{}", "%7B%22name%22%3A%5B%22x%22%5D%7D", "%7B%22id%22%3A%7B%22x%22%3Atrue%7D%7D",
                    "%7B%22label%22%3A%5B%22a%3Db%22%5D%7D", "%7B%22nosuch%22%3A%5B%22a%22%5D%7D",
                ])
            }
            switch parameter.shape {
            case .boolean: return dice.pick(["1", "0", "true", "false"])
            case .integer, .number: return dice.pick(["0", "1", "10", "1600000000"])
            case .words(let words): return dice.pick(words)
            default: return dice.pick(["x", "all", "5", "1600000000"])
            }
        }
    }
}
