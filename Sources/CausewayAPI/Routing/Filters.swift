import NIOCore

/// The `filters` parameter: for each key the values that it may have.
///
/// Comes in two encodings: `{"label":{"a=b":true}}` (the CLI) and `{"label":["a=b"]}` (docker-py).
struct Filters: Sendable {
    private(set) var values: [String: [String]] = [:]

    init() {}

    /// `allowed`: The keys that the call knows; another one is refused in Docker's words.
    ///
    /// `nil`: any.
    init(_ query: Query, allowed: Set<String>? = nil) throws(APIError) {
        guard let text = query["filters"], !text.isEmpty else { return }
        guard case .object(let given) = try Self.parse(text) else {
            throw APIError(400, "invalid filters: they must be a JSON object")
        }
        for (key, value) in given.sorted(by: { $0.key < $1.key }) {
            guard allowed?.contains(key) ?? true else { throw APIError(400, "Invalid filter '\(key)'") }
            values[key] = try Self.list(value, key)
        }
    }

    subscript(_ key: String) -> [String] { values[key] ?? [] }

    mutating func replace(_ key: String, with list: [String]) { values[key] = list }

    /// Whether one of the key's values passes, or there is none.
    func allows(_ key: String, where passes: (String) -> Bool) -> Bool {
        let wanted = self[key]
        return wanted.isEmpty || wanted.contains(where: passes)
    }

    /// Whether all of the key's values are labels: `k` or `k=v`.
    func allows(_ key: String = "label", labels: [String: String]) -> Bool {
        self[key].allSatisfy { wanted in
            let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let value = labels[String(parts[0])] else { return false }
            return parts.count == 1 || value == parts[1]
        }
    }

    /// The same as Docker's swarm has it: a label with nothing behind its `=` may have any value.
    func allows(_ key: String = "label", swarmLabels labels: [String: String]) -> Bool {
        self[key].allSatisfy { wanted in
            let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let value = labels[String(parts[0])] else { return false }
            return parts.count == 1 || parts[1].isEmpty || value == parts[1]
        }
    }

    /// Refuses, in Docker's words, a value that is none of these in any case; an empty one says nothing.
    func check(_ key: String, isOneOf known: [String]) throws(APIError) {
        for value in self[key] where !value.isEmpty && !known.contains(value.lowercased()) {
            throw APIError(400, "Invalid \(key) filter: '\(value)'")
        }
    }

    /// Whether one of the key's values is this one, in any case, or there is none.
    func allows(_ key: String, word: String) -> Bool {
        let wanted = self[key].filter { !$0.isEmpty }
        return wanted.isEmpty || wanted.contains { $0.lowercased() == word }
    }

    /// The one boolean of a key, if it is given.
    func flag(_ key: String) throws(APIError) -> Bool? {
        let wanted = Set(self[key].map { $0.lowercased() })
        guard !wanted.isEmpty else { return nil }
        let yes = !wanted.isDisjoint(with: ["1", "true"])
        let no = !wanted.isDisjoint(with: ["0", "false"])
        guard yes != no else {
            throw APIError(
                400,
                "invalid value for filter '\(key)', must be \"true\" (or \"1\"), or \"false\" (or \"0\")")
        }
        return yes
    }

    private static func parse(_ text: String) throws(APIError) -> JSONValue {
        do { return try JSON.parse(ByteBuffer(string: text)) } catch {
            throw APIError(400, "invalid filters '\(text)': \(error.message)")
        }
    }

    private static func list(_ value: JSONValue, _ key: String) throws(APIError) -> [String] {
        switch value {
        case .object(let flags): return flags.filter { $0.value != .bool(false) }.keys.sorted()
        case .array(let items):
            let texts = items.compactMap(\.text)
            guard texts.count == items.count else {
                throw APIError(400, "Invalid filter '\(key)': values must be text")
            }
            return texts
        case .string(let text): return [text]
        default: throw APIError(400, "Invalid filter '\(key)': it must be a list or an object")
        }
    }
}
