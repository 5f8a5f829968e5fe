import CausewayModel

/// The parameters behind a request's `?`.
struct Query: Sendable {
    private var values: [String: String] = [:]

    init(_ text: Substring) {
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = Self.unescape(parts[0], plusIsSpace: true)
            // As in Go, the first of several counts.
            if values[name] == nil { values[name] = parts.count > 1 ? Self.unescape(parts[1], plusIsSpace: true) : "" }
        }
    }

    subscript(_ name: String) -> String? { values[name] }

    /// Docker's rule: empty, `0`, `no`, `false` and `none` are false, in any case; everything else is true.
    func flag(_ name: String) -> Bool {
        let text = (values[name] ?? "").trimmingSpaces().lowercased()
        return !["", "0", "no", "false", "none"].contains(text)
    }

    /// The few flags that Docker reads by Go's `strconv.ParseBool`: absent and empty are false, other words are refused.
    func boolean(_ name: String) throws(APIError) -> Bool {
        let text = values[name] ?? ""
        if ["", "0", "f", "F", "false", "False", "FALSE"].contains(text) { return false }
        guard ["1", "t", "T", "true", "True", "TRUE"].contains(text) else {
            throw APIError(400, "invalid value for \(name): \(text): it must be true or false")
        }
        return true
    }

    /// `version`, which every update must name.
    func version(of object: String) throws(APIError) -> Swarm.Version {
        let text = values["version"] ?? ""
        guard let index = UInt64(text) else {
            throw APIError(400, "invalid \(object) version '\(text)': it must be the number in Version.Index of GET")
        }
        return Swarm.Version(index)
    }

    /// Decodes `%41`; a malformed escape stays as it is.
    static func unescape(_ text: Substring, plusIsSpace: Bool = false) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    func trimmingSpaces() -> String {
        var text = self[...]
        while text.first?.isWhitespace == true { text = text.dropFirst() }
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return String(text)
    }
}
