import CausewayTestKit

extension DocumentedRequest {
    /// A request's body, with at most one thing wrong.
    struct Body {
        var bytes: [UInt8]
        /// No JSON of the type that the document says.
        var isUnreadable = false

        init(_ call: EngineAPI.Call, _ fault: Fault, _ minimal: Sketch, _ dice: inout SeededGenerator) {
            let shape = call.body ?? .object(["Name": .string, "Labels": .map(.string)])
            let place = dice.pick(shape.places)
            func at(_ value: Sketch) -> Sketch { minimal.setting(place.way, to: value) }
            func text(_ value: String) -> Sketch { at(.text(value)) }
            var sketch = at(place.shape.plausible(&dice))
            switch fault {
            case .wrongType:
                let wrong = place.shape.wrong(&dice)
                // What asks for nothing is let through where what it should ask for is not supported, whatever its type.
                isUnreadable = wrong.map { !["[]", "{}", "0"].contains($0.json) } ?? false
                sketch = wrong.map(at) ?? sketch
            case .null: sketch = text("null")
            case .missing: sketch = .object([])
            case .hugeNumber:
                sketch = text(
                    dice.pick(["1e308", "1e999", "18446744073709551616", "9223372036854775807", Self.digits]))
            case .negative:
                sketch = text(dice.pick(["-1", "-9223372036854775808", "-9223372036854775809", "-0.5", "-0"]))
            case .notANumber:
                sketch = text(
                    dice.pick(["NaN", "Infinity", "-Infinity", "+1", "0x10", "01", "1.", ".5", "tru", "None"]))
                isUnreadable = true
            case .wrongWord: sketch = text(dice.pick([#""bogus""#, #""VIP ""#, #""ingress\u0000""#, #""TCP""#]))
            case .deep:
                let depth = dice.pick([40, 600, 20_000])
                let (open, close) = dice.pick([("[", "]"), (#"{"a":"#, "}")])
                sketch = text(
                    String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth))
            case .unknownField:
                sketch = sketch.adding("Bogus", dice.pick([.text("1"), .text(#"{"a":[]}"#)]), beside: place.way)
            case .doubledField:
                if case .field(let name)? = place.way.last {
                    sketch = sketch.adding(name, place.shape.plausible(&dice), beside: place.way)
                }
            case .otherCase:
                if case .field(let name)? = place.way.last {
                    sketch = sketch.adding(name.lowercased(), place.shape.plausible(&dice), beside: place.way)
                }
            case .overlong: sketch = text(Sketch.quoted(String(repeating: "long ", count: 20_000)))
            case .rawControl:
                sketch = text(dice.pick(["\"a\u{1}b\"", "\"a\u{0}b\"", "\"a\nb\"", "\"\u{1b}[2J\""]))
                isUnreadable = true
            case .escapes:
                sketch = text(
                    dice.pick([
                        #""\u001b[2J\u0007""#, #""\u0000""#, #""\ud800""#, #""\u202e""#, #""../../x""#, #""a\r\nX: y""#,
                    ]))
            default: break
            }
            bytes = Array(sketch.json.utf8)
            finish(fault, &dice)
        }

        private mutating func finish(_ fault: Fault, _ dice: inout SeededGenerator) {
            switch fault {
            case .badUTF8: bytes.insert(contentsOf: [0x22, 0xff, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x2c], at: 1)
            case .cutBody:
                bytes = Array(bytes.prefix(1 + Int(dice.next() % UInt64(bytes.count - 1))))
                isUnreadable = true
            case .twoBodies:
                bytes += Array(dice.pick(["{}", "]", "x", "\u{0}"]).utf8)
            case .emptyBody: bytes = Array(dice.pick(["", " ", "null", "[]", "7", "\"\"", "\u{feff}{}"]).utf8)
            default: break
            }
        }

        private static let digits = String(repeating: "9", count: 4000)
    }
}
