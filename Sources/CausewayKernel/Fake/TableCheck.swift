import CausewayModel

/// Whether nftables would take a table, or a change of its sets' elements.
struct TableCheck {
    let check: StepCheck
    let table: Nft.Table

    /// The whole table: names that are used exist, and only once; elements fit their sets.
    func run() throws(KernelError) {
        try unique(table.sets.map(\.name), "set")
        try unique(table.chains.map(\.name), "chain")
        for set in table.sets {
            try fits(set.elements, in: set)
            let set = set.normalised
            var known: [[Nft.Value]: Nft.Element] = [:]
            for element in set.elements {
                try agrees(element, with: known.updateValue(element, forKey: element.key))
            }
        }
        for chain in table.chains {
            for rule in chain.rules { try names(of: rule) }
        }
    }

    /// Deletions first, as in the transaction.
    func run(delete: [Plan.SetElements], add: [Plan.SetElements]) throws(KernelError) {
        var table = table
        for part in delete {
            let set = try set(part.set).normalised
            let present = Swift.Set(set.elements.map(\.key))
            for element in set.normalise(part.elements) {
                try check.require(
                    present.contains(element.key), .notFound, errno: 2, "no element \(element.keyText) in '\(part.set)'"
                )
            }
        }
        table.change(delete: delete, add: [])
        for part in add {
            let set = try set(part.set)
            try fits(part.elements, in: set)
            let left = table.sets.first { $0.name == part.set }?.normalised.elements ?? []
            var known = Dictionary(left.map { ($0.key, $0) }) { first, _ in first }
            for element in set.normalise(part.elements) {
                try agrees(element, with: known.updateValue(element, forKey: element.key))
            }
        }
    }

    private func set(_ name: String) throws(KernelError) -> Nft.Set {
        guard let set = table.sets.first(where: { $0.name == name }) else {
            throw KernelError(
                step: check.step.description, reason: .notFound, errno: 2,
                detail: "no set '\(name)' in table \(table.family.rawValue) \(table.name)")
        }
        return set
    }

    private func unique(_ names: [String], _ what: String) throws(KernelError) {
        let twice = Dictionary(grouping: names) { $0 }.filter { $0.value.count > 1 }.keys.min()
        try check.require(twice == nil, .alreadyExists, errno: 17, "\(what) '\(twice ?? "")' is there twice")
    }

    private func fits(_ elements: [Nft.Element], in set: Nft.Set) throws(KernelError) {
        for element in elements {
            let isMap = element.data != nil || element.verdict != nil
            try check.require(
                element.key.count == set.key.count && isMap == (set.data != nil)
                    && (element.data == nil || element.data?.count == set.data?.count),
                .invalid, errno: 22, "\(element.text) does not fit the type of '\(set.name)'")
        }
    }

    /// Adding an element again is no error, but one key cannot have two values.
    private func agrees(_ element: Nft.Element, with other: Nft.Element?) throws(KernelError) {
        guard let other else { return }
        try check.require(
            other.data == element.data && other.verdict == element.verdict, .alreadyExists, errno: 17,
            "\(element.keyText) has another value")
    }

    // MARK: names in rules

    private func names(of rule: Nft.Rule) throws(KernelError) {
        for expression in rule.expressions {
            for name in expression.setNames {
                try check.require(
                    table.sets.contains { $0.name == name }, .notFound, errno: 2, "no set '\(name)' for: \(rule.text)")
            }
            switch expression {
            case .verdict(.jump(let chain)), .verdict(.goto(let chain)):
                try check.require(
                    table.chains.contains { $0.name == chain && $0.base == nil }, .notFound, errno: 2,
                    "no chain '\(chain)' for: \(rule.text)")
            default: break
            }
        }
    }
}

extension Nft.Expression {
    /// The named sets that the expression looks into.
    fileprivate var setNames: [String] {
        var names: [String] = []
        func look(_ value: Nft.Value) { if case .set(let name) = value { names.append(name) } }
        if case .verdictMap(_, let map) = self { look(map) }
        _ = mapOperands { operand in
            switch operand {
            case .value(let value), .map(_, let value): look(value)
            default: break
            }
            return operand
        }
        return names
    }
}
