/// What Causeway does with each field of a request's body.
///
/// Docker matches the names of fields in any case, ignores those it does not know, and takes `null` for absent; so does
/// this. But what Docker acts on and Causeway does not is refused with a sentence, never dropped in silence.
struct BodySchema: Sendable {
    indirect enum Field: Sendable {
        /// Acted on: a scalar, a list of scalars, or a free-form map, whose keys are left alone.
        case value
        /// Acted on: a whole number within limits.
        case integer(ClosedRange<Int64>)
        case object(BodySchema)
        case list(BodySchema)
        /// Docker acts on it, Causeway does not yet.
        case unsupported(Refusal)
    }

    /// How a refused field is called on the command line, and which values ask for nothing.
    struct Refusal: Sendable {
        /// What Docker takes there; anything else is no request at all.
        enum Kind: String, Sendable {
            case text = "a string"
            case number = "a number"
            case flag = "true or false"
            case list = "a list"
            case object = "a JSON object"
        }

        var flag: String
        var kind = Kind.object
        /// Accepted, and dropped, beside null, false, 0, "", [] and {}.
        var harmless: [JSONValue] = []
        /// Whether even an empty object asks for something.
        var isPresenceEnough = false
    }

    /// What is done with each field, by its name.
    let fields: [String: Field]
    /// Canonical names by their lower-case form.
    private let canonical: [String: String]

    init(_ fields: [String: Field]) {
        self.fields = fields
        canonical = Dictionary(fields.keys.map { ($0.lowercased(), $0) }) { first, _ in first }
    }

    /// The body with canonical names and nothing but what is acted on.
    ///
    /// `path`: Where the body stands, for messages: `TaskTemplate.ContainerSpec`.
    func canonicalize(_ body: JSONValue, at path: String = "") throws(APIError) -> JSONValue {
        guard case .object(let given) = body else {
            throw APIError(400, "wrong type of \(path.isEmpty ? "the body" : path): it must be a JSON object")
        }
        var result: [String: JSONValue] = [:]
        for (name, value) in given.sorted(by: { $0.key < $1.key }) where value != .null {
            guard let name = fields[name] != nil ? name : canonical[name.lowercased()], let field = fields[name],
                result[name] == nil || given[name] == nil || given[name] == value
            else { continue }
            if let value = try Self.read(value, as: field, at: path.isEmpty ? name : "\(path).\(name)") {
                result[name] = value
            }
        }
        return .object(result)
    }

    private static func read(_ value: JSONValue, as field: Field, at path: String) throws(APIError) -> JSONValue? {
        switch field {
        case .value: return withoutNulls(value)
        case .integer(let range):
            guard case .integer(let number) = value, range.contains(number) else {
                throw APIError(
                    400,
                    "invalid value of \(path): it must be a whole number from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return value
        case .object(let schema): return try schema.canonicalize(value, at: path)
        case .list(let schema):
            guard let items = value.items else { throw APIError(400, "wrong type of \(path): it must be a list") }
            var result: [JSONValue] = []
            for (index, item) in items.enumerated() {
                result.append(try schema.canonicalize(item, at: "\(path)[\(index)]"))
            }
            return .array(result)
        case .unsupported(let refusal):
            guard refusal.kind.holds(value) else {
                throw APIError(400, "wrong type of \(path): it must be \(refusal.kind.rawValue)")
            }
            if !refusal.isPresenceEnough, value.isEmpty || refusal.harmless.contains(value) { return nil }
            throw APIError(
                501,
                "\(path) (\(refusal.flag)) is not supported by Causeway yet; leave it out")
        }
    }

    /// As Go reads a null inside a map of strings: as an empty one.
    private static func withoutNulls(_ value: JSONValue) -> JSONValue {
        guard case .object(let fields) = value else { return value }
        return .object(fields.mapValues { $0 == .null ? .string("") : $0 })
    }
}

extension BodySchema.Field {
    static let port = Self.integer(0...65_535)
    static let count = Self.integer(0...Int64.max)
    /// Nanoseconds, or any other number that may be negative.
    static let signed = Self.integer(Int64.min...Int64.max)

    /// Names what is refused; see ``BodySchema/Refusal``.
    static func refused(_ flag: String, _ kind: BodySchema.Refusal.Kind, harmless: [JSONValue] = []) -> Self {
        .unsupported(BodySchema.Refusal(flag: flag, kind: kind, harmless: harmless))
    }

    static func refusedIfPresent(_ flag: String) -> Self {
        .unsupported(BodySchema.Refusal(flag: flag, isPresenceEnough: true))
    }
}

extension BodySchema.Refusal.Kind {
    fileprivate func holds(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.text, .string), (.flag, .bool), (.list, .array), (.object, .object): true
        case (.number, .integer), (.number, .unsigned), (.number, .number): true
        default: false
        }
    }
}

extension BodySchema: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral fields: (String, Field)...) {
        self.init(Dictionary(fields) { first, _ in first })
    }
}
