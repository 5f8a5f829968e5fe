import CausewayKernel
import CausewayModel

/// What a look-up in a map gives.
enum Lookup<Value: Hashable & Sendable>: Hashable, Sendable {
    case found(Value)
    case missing
    case unclear(String)
}

/// The answer to a comparison.
enum Answer: Hashable, Sendable {
    case yes, no
    case unclear(String)

    init(_ value: Bool?, orUnclear why: @autoclosure () -> String) {
        self = value.map { $0 ? .yes : .no } ?? .unclear(why())
    }

    var inverted: Answer {
        switch self {
        case .yes: .no
        case .no: .yes
        case .unclear: self
        }
    }
}

/// A set's elements, those with one exact key found at once.
struct CompiledMap: Sendable {
    private var exact: [[Atom]: Nft.Element] = [:]
    private var others: [Nft.Element] = []
    private let kinds: [NameKind]

    init(_ elements: [Nft.Element], kinds: [NameKind]) {
        self.kinds = kinds
        for element in elements {
            let atoms = element.key.enumerated().compactMap { offset, value in
                Matching.exact(value, kinds.indices.contains(offset) ? kinds[offset] : .plain)
            }
            if atoms.count == element.key.count {
                exact[atoms] = element
            } else {
                others.append(element)
            }
        }
    }

    func find(_ atoms: [Atom]) -> Lookup<Nft.Element> {
        if let element = exact[atoms] { return .found(element) }
        var isUnclear = false
        for element in others {
            // A key that is a whole concatenation counts as its parts.
            var values = element.key
            if values.count == 1, case .concatenation(let parts) = values[0] { values = parts }
            guard values.count == atoms.count else { continue }
            switch Matching.allMatch(atoms[...], kinds[...], values) {
            case true?: return .found(element)
            case false?: continue
            case nil: isUnclear = true
            }
        }
        return isUnclear ? .unclear("an element of the set") : .missing
    }
}

extension NftEvaluator {
    /// Compares, sets and ranges included.
    func compare(_ left: Nft.Operand, _ op: Nft.Comparison, _ right: Nft.Operand) -> Answer {
        let atoms: [Atom]
        switch evaluate(left) {
        case .known(let value): atoms = value
        case .absent: return .no
        case .unknown(let why):
            guard isCertainlyOutside(left, right) else { return .unclear(why) }
            return op == .notEqual ? .yes : .no
        }
        let kinds = NameKind.kinds(of: left)
        if let kind = kinds.first, kind.isFlags, atoms.count == 1, case .binary = right,
            let bits = Matching.flags(right, kind)
        {
            return compare(left, op, .value(.number(bits)))
        }
        guard case .value(let value) = right else { return compare(atoms, op, computed: right) }
        switch op {
        case .in where kinds.first?.isFlags == true && atoms.count == 1:
            guard let wanted = Matching.flags(value, kinds[0]), let have = atoms[0].number else {
                return .unclear("\(value)")
            }
            return wanted & have != 0 ? .yes : .no
        case .equal, .in: return contains(atoms, kinds, value)
        case .notEqual: return contains(atoms, kinds, value).inverted
        case .less, .greater, .lessOrEqual, .greaterOrEqual:
            guard let bound = Matching.exact(value, kinds.first ?? .plain), atoms.count == 1 else {
                return .unclear("\(value)")
            }
            return order(atoms[0], op, bound)
        }
    }

    /// Whether what is known of a concatenation is enough to say that no element of a set is it.
    private func isCertainlyOutside(_ left: Nft.Operand, _ right: Nft.Operand) -> Bool {
        guard case .concatenation(let parts) = left, case .value(.set(let name)) = right, let set = set(name) else {
            return false
        }
        let kinds = NameKind.kinds(of: left)
        let known = parts.map { part -> Atom? in
            guard case .known(let atoms) = evaluate(part), atoms.count == 1 else { return nil }
            return atoms[0]
        }
        return set.elements.allSatisfy { element in
            var values = element.key
            if values.count == 1, case .concatenation(let parts) = values[0] { values = parts }
            guard values.count == known.count, kinds.count == known.count else { return false }
            return known.indices.contains { index in
                guard let atom = known[index] else { return false }
                return Matching.matches([atom][...], kinds[index...index], values[index]) == false
            }
        }
    }

    private func compare(_ atoms: [Atom], _ op: Nft.Comparison, computed right: Nft.Operand) -> Answer {
        guard case .known(let other) = evaluate(right) else { return .unclear("\(right)") }
        switch op {
        case .equal, .in: return atoms == other ? .yes : .no
        case .notEqual: return atoms == other ? .no : .yes
        default:
            guard let a = atoms.first, let b = other.first else { return .unclear("\(right)") }
            return order(a, op, b)
        }
    }

    private func order(_ a: Atom, _ op: Nft.Comparison, _ b: Atom) -> Answer {
        let isBelowOrSame = Matching.isInOrder(a, b)
        let isAboveOrSame = Matching.isInOrder(b, a)
        let answer: Bool? =
            switch op {
            case .lessOrEqual: isBelowOrSame
            case .greaterOrEqual: isAboveOrSame
            case .less: isAboveOrSame.map { !$0 }
            default: isBelowOrSame.map { !$0 }
            }
        return Answer(answer, orUnclear: "the order of \(a) and \(b)")
    }

    /// Membership: in a named set, in one that is written out, or equality.
    private func contains(_ atoms: [Atom], _ kinds: [NameKind], _ value: Nft.Value) -> Answer {
        guard case .set(let name) = value else {
            return Answer(Matching.matches(atoms[...], kinds[...], value), orUnclear: "\(value)")
        }
        switch find(atoms, kinds, in: name) {
        case .found: return .yes
        case .missing: return .no
        case .unclear(let why): return .unclear(why)
        }
    }

    private func find(_ atoms: [Atom], _ kinds: [NameKind], in name: String) -> Lookup<Nft.Element> {
        if let map = compiled[name] { return map.find(atoms) }
        guard let set = set(name) else { return .unclear("set \(name), which the table does not have") }
        return view.sets.map(set, kinds, in: table, of: view.space.inode).find(atoms)
    }

    private func set(_ name: String) -> Nft.Set? {
        let clean = name.hasPrefix("@") ? String(name.dropFirst()) : name
        return table.sets.first { $0.name == clean }
    }

    /// Keeps a named map at hand while a balancing decision asks it for every slot.
    mutating func prepare(_ map: Nft.Value, kinds: [NameKind]) {
        guard case .set(let name) = map, compiled[name] == nil, let set = set(name) else { return }
        compiled[name] = view.sets.map(set, kinds, in: table, of: view.space.inode)
    }

    private func element(_ key: Nft.Operand, _ map: Nft.Value) -> Lookup<Nft.Element> {
        let kinds = NameKind.kinds(of: key)
        switch evaluate(key) {
        case .absent: return .missing
        case .unknown(let why): return .unclear(why)
        case .known(let atoms):
            switch map {
            case .set(let name): return find(atoms, kinds, in: name)
            case .anonymousMap(let elements): return CompiledMap(elements, kinds: kinds).find(atoms)
            default: return .unclear("\(map)")
            }
        }
    }

    func lookUpVerdict(_ key: Nft.Operand, _ map: Nft.Value) -> Lookup<Nft.Verdict> {
        switch element(key, map) {
        case .found(let element): element.verdict.map { .found($0) } ?? .unclear("an element without a verdict")
        case .missing: .missing
        case .unclear(let why): .unclear(why)
        }
    }

    func mapped(_ key: Nft.Operand, _ map: Nft.Value) -> Evaluated {
        switch element(key, map) {
        case .missing: return .absent
        case .unclear(let why): return .unknown(why)
        case .found(let element):
            var values = element.data ?? []
            if values.count == 1, case .concatenation(let parts) = values[0] { values = parts }
            let atoms = values.compactMap { Matching.exact($0, .plain) }
            return atoms.count == values.count && !atoms.isEmpty ? .known(atoms) : .unknown("the map's data \(values)")
        }
    }
}
