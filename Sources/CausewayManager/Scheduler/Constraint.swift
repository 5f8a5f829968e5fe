import CausewayModel

/// One placement constraint: `node.role==manager`, `node.labels.zone!=east`.
package struct Constraint: Hashable, Sendable, CustomStringConvertible {
    package let key: String
    package let isEqual: Bool
    package let value: String

    /// Reads a constraint, with swarmkit's words for what is wrong.
    package init(_ text: String) throws(SwarmError) {
        let equal = Self.split(text, at: "==")
        let different = Self.split(text, at: "!=")
        guard let (parts, isEqual) = equal.map({ ($0, true) }) ?? different.map({ ($0, false) }) else {
            throw Self.refusal("constraint expected one operator from ==, !=")
        }
        let (key, value) = parts
        guard Self.isKey(key) else { throw Self.refusal("key '\(key)' is invalid") }
        guard Self.isValue(value) else { throw Self.refusal("value '\(value)' is invalid") }
        guard Self.fields.contains(key.lowercased()) || Self.label(key) != nil else {
            throw SwarmError(
                .unsupported,
                "placement constraint '\(text)' is not supported: use node.id, node.hostname, node.ip, node.role, "
                    + "node.platform.os, node.platform.arch, node.labels.KEY or engine.labels.KEY")
        }
        self.key = key
        self.isEqual = isEqual
        self.value = value
    }

    package var description: String { key + (isEqual ? "==" : "!=") + value }

    /// Whether the node satisfies it.
    ///
    /// Values are compared without regard to case, as swarmkit does.
    package func isSatisfied(by node: Swarm.Node) -> Bool {
        let actual: String
        switch key.lowercased() {
        case "node.id": actual = node.id
        case "node.hostname": actual = node.description.hostname
        case "node.ip":
            // What is neither an address nor a subnet is met by no node, whatever the operator.
            if let subnet = CIDR(value) { return subnet.contains(node.address) == isEqual }
            return IPAddress(value).map { ($0 == node.address) == isEqual } ?? false
        case "node.role": actual = node.spec.role.rawValue
        case "node.platform.os": actual = node.description.os
        case "node.platform.arch": actual = node.description.architecture
        default:
            guard let (kind, name) = Self.label(key) else { return false }
            actual = (kind == .node ? node.spec.labels[name] : node.description.engineLabels[name]) ?? ""
        }
        return (actual.lowercased() == value.lowercased()) == isEqual
    }

    private enum LabelKind { case node, engine }

    private static let fields: Set = [
        "node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch",
    ]

    private static func label(_ key: String) -> (LabelKind, String)? {
        for (prefix, kind) in [("node.labels.", LabelKind.node), ("engine.labels.", .engine)]
        where key.lowercased().hasPrefix(prefix) && key.count > prefix.count {
            return (kind, String(key.dropFirst(prefix.count)))
        }
        return nil
    }

    private static func split(_ text: String, at separator: String) -> (String, String)? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false).map {
            String($0.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
        }
        return parts.count == 2 ? (parts[0], parts[1]) : nil
    }

    private static func isKey(_ text: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) || first == UInt8(ascii: "_") else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "._-".utf8.contains($0) }
    }

    private static func isValue(_ text: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) || first == UInt8(ascii: "_") else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || ":._- $!@#%^&*()+=/<>?;|~`'\"\\[]{},".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }

    private static func refusal(_ why: String) -> SwarmError {
        SwarmError(.internal, "rpc error: code = Unknown desc = \(why)")
    }
}
