extension Plan.Step {
    /// The commands of this step for libnftables, as the text of one transaction; `nil` for a step that is not nft's.
    package var nftCommands: String? {
        switch self {
        case .tableReplace(let table):
            // nft 1.0.6 has no `destroy`: adding a table that exists does nothing, and then it can be deleted.
            let name = "\(table.family.rawValue) \(table.name)"
            return "add table \(name)\ndelete table \(name)\n" + table.text
        case .tableDelete(let family, let name):
            return "delete table \(family.rawValue) \(name)\n"
        case .elementsChange(let family, let table, let delete, let add):
            let name = "\(family.rawValue) \(table)"
            return delete.map { $0.commands("delete", in: name, \.keyText) }.joined()
                + add.map { $0.commands("add", in: name, \.text) }.joined()
        default:
            return nil
        }
    }
}

extension Plan.SetElements {
    /// Elements of one command: nft's parser holds a whole command at once.
    private static let batch = 1000

    fileprivate func commands(_ verb: String, in table: String, _ text: (Nft.Element) -> String) -> String {
        let elements = elements
        return stride(from: 0, to: elements.count, by: Self.batch).map { start in
            let part = elements[start..<min(start + Self.batch, elements.count)]
            return "\(verb) element \(table) \(set) { " + part.map(text).joined(separator: ", ") + " }\n"
        }.joined()
    }
}
