/// The syntax of image references: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]` (distribution/reference).
enum ImageReference {
    /// Whether the text is well formed.
    ///
    /// Nothing is said about whether such an image exists.
    static func isWellFormed(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 512 else { return false }
        var name = Substring(text)
        if let at = name.firstIndex(of: "@") {
            guard isDigest(name[name.index(after: at)...]) else { return false }
            name = name[..<at]
        }
        if let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") {
            guard isTag(name[name.index(after: colon)...]) else { return false }
            name = name[..<colon]
        }
        var parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard name.utf8.count <= 255 else { return false }
        if let first = parts.first, parts.count > 1, isHost(first) { parts.removeFirst() }
        return !parts.isEmpty && parts.allSatisfy(isPathComponent)
    }

    private static func isHost(_ text: Substring) -> Bool {
        guard text == "localhost" || text.contains(".") || text.contains(":") else { return false }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2 else { return false }
        if parts.count == 2, parts[1].isEmpty || !parts[1].utf8.allSatisfy({ (48...57).contains($0) }) { return false }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { isLower($0) || (65...90).contains($0) || $0 == 45 }
        }
    }

    /// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
    private static func isPathComponent(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, isLower(first), isLower(last) else {
            return false
        }
        guard text.utf8.allSatisfy({ isLower($0) || ".-_".utf8.contains($0) }) else { return false }
        let separators = text.split(whereSeparator: { $0.isLetter || $0.isNumber })
        return separators.allSatisfy { $0 == "." || $0 == "_" || $0 == "__" || $0.allSatisfy { $0 == "-" } }
    }

    private static func isTag(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128, first != 46, first != 45 else { return false }
        return text.utf8.allSatisfy { isLower($0) || (65...90).contains($0) || "._-".utf8.contains($0) }
    }

    private static func isDigest(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].allSatisfy({ $0.isLetter || $0.isNumber }) else {
            return false
        }
        let isHex = parts[1].utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        return isHex && (parts[0] == "sha256" ? parts[1].utf8.count == 64 : parts[1].utf8.count >= 32)
    }

    private static func isLower(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...122).contains(byte) }
}
