extension Nft.Table {
    /// The table as nft(8) takes it from a file, and nearly as `nft list table` prints it.
    ///
    /// Equal tables give equal texts. Comments that nft would refuse are cut, not refused.
    package var text: String {
        let blocks = sets.map { $0.lines } + chains.map { $0.lines(in: family) }
        var lines = ["table \(family.rawValue) \(name) {"]
        for (index, block) in blocks.enumerated() {
            if index > 0 { lines.append("") }
            lines += block.map { $0.isEmpty ? "" : "\t" + $0 }
        }
        lines.append("}")
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Nft.Set {
    /// The set or map with its elements, as `nft list` prints it.
    package var text: String { lines.joined(separator: "\n") }

    fileprivate var lines: [String] {
        var lines = ["\(data == nil ? "set" : "map") \(name) {", "\t" + typeText]
        if !flags.isEmpty { lines.append("\tflags " + flags.joined(separator: ",")) }
        if !elements.isEmpty {
            lines.append("\telements = {")
            lines += elements.dropLast().map { "\t\t\($0.text)," }
            lines += elements.suffix(1).map { "\t\t\($0.text)" }
            lines.append("\t}")
        }
        return lines + ["}"]
    }

    /// `type …`, or `typeof …` where a type has no name that nft takes.
    private var typeText: String {
        let isTypeof = (key + (data ?? [])).contains { $0 == .integer || $0 == .zone }
        func join(_ types: [Nft.DataType]) -> String {
            types.map { isTypeof ? $0.example : $0.rawValue }.joined(separator: " . ")
        }
        return (isTypeof ? "typeof " : "type ") + join(key) + (data.map { " : " + join($0) } ?? "")
    }
}

extension Nft.Chain {
    /// The chain with its rules, as `nft list` prints it in an `inet` table.
    package var text: String { lines(in: .inet).joined(separator: "\n") }

    fileprivate func lines(in family: Nft.Family) -> [String] {
        var lines = ["chain \(name) {"]
        if let base { lines.append("\t" + base.text(in: family)) }
        return lines + rules.map { "\t" + $0.text } + ["}"]
    }
}

extension Nft.Chain.Base {
    /// `type … hook … priority …; policy …;`.
    package var text: String { text(in: .inet) }

    fileprivate func text(in family: Nft.Family) -> String {
        let device = device.map { " device \"\($0)\"" } ?? ""
        return "type \(kind.rawValue) hook \(hook.rawValue)\(device) priority \(priorityText(in: family)); "
            + "policy \(policy.text);"
    }

    private func priorityText(in family: Nft.Family) -> String {
        guard [.ip, .ip6, .inet].contains(family),
            let name = Nft.priorities.first(where: { $0.value == priority })?.key
        else { return String(priority) }
        switch name {
        case "dstnat" where hook != .prerouting, "srcnat" where hook != .postrouting: return String(priority)
        default: return name
        }
    }
}
