import CausewayModel

extension IPTables.Table {
    /// Reads what iptables-save or ip6tables-save writes, with counters or without.
    ///
    /// Never fails: a match or a target that is not understood is `unknown` with its text.
    package static func read(save text: String, family: IPFamily) -> [IPTables.Table] {
        var tables: [IPTables.Table] = []
        for line in text.split(whereSeparator: \.isNewline) {
            switch line.first {
            case "*": tables.append(IPTables.Table(family: family, name: String(line.dropFirst())))
            case ":": tables.last.map { _ in tables[tables.count - 1].declare(line.dropFirst()) }
            case "-", "[": tables.last.map { _ in tables[tables.count - 1].append(line, family) }
            default: break
            }
        }
        return tables
    }

    /// `FORWARD DROP [0:0]`, `DOCKER - [0:0]`.
    private mutating func declare(_ line: Substring) {
        let words = line.split(separator: " ")
        guard let name = words.first else { return }
        let policy = words.dropFirst().first.flatMap { $0 == "-" ? nil : String($0) }
        chains.append(IPTables.Chain(name: String(name), policy: policy))
    }

    /// `[12:3456] -A CHAIN RULE`.
    private mutating func append(_ line: Substring, _ family: IPFamily) {
        var text = line
        var counters: RuleCounters?
        if text.first == "[", let end = text.firstIndex(of: "]") {
            counters = Self.counters(text[text.index(after: text.startIndex)..<end])
            text = text[text.index(after: end)...].drop { $0 == " " }
        }
        let words = text.split(separator: " ", maxSplits: 2).map(String.init)
        guard words.count >= 2, words[0] == "-A" else { return }
        var rule = RuleReader.read(words.count == 3 ? words[2] : "", family: family)
        rule.counters = counters
        if let index = chains.firstIndex(where: { $0.name == words[1] }) {
            chains[index].rules.append(rule)
        } else {
            chains.append(IPTables.Chain(name: words[1], rules: [rule]))
        }
    }
}

extension IPTables.Table {
    /// `12:3456`.
    private static func counters(_ text: Substring) -> RuleCounters? {
        let numbers = text.split(separator: ":").compactMap { UInt64($0) }
        return numbers.count == 2 ? RuleCounters(packets: numbers[0], bytes: numbers[1]) : nil
    }
}

/// Reads one rule's words, from left to right.
struct RuleReader {
    private var words: [String]
    private var index = 0
    private let family: IPFamily
    private var matches: [IPTables.Match] = []
    private var target: IPTables.Target?

    static func read(_ text: String, family: IPFamily) -> IPTables.Rule {
        var reader = RuleReader(words: split(text), family: family)
        reader.readAll()
        return IPTables.Rule(text: text, matches: reader.matches, target: reader.target)
    }

    private init(words: [String], family: IPFamily) {
        self.words = words
        self.family = family
    }

    /// At spaces, but not within quotation marks; a backslash keeps the next character as it is.
    private static func split(_ text: String) -> [String] {
        var words: [String] = []
        var word: String?
        var isQuoted = false
        var isEscaped = false
        for character in text {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", isQuoted {
                isEscaped = true
            } else if character == "\"" {
                isQuoted.toggle()
                word = word ?? ""
            } else if character == " ", !isQuoted {
                word.map { words.append($0) }
                word = nil
            } else {
                word = (word ?? "") + String(character)
            }
        }
        word.map { words.append($0) }
        return words
    }

    private var next: String? { index < words.count ? words[index] : nil }

    private mutating func take() -> String? {
        defer { index += 1 }
        return next
    }

    private mutating func readAll() {
        var module = ""
        while let word = take() {
            let isInverted = word == "!"
            guard let option = isInverted ? take() : word else { break }
            switch option {
            case "-m": readModule(&module)
            case "-j", "-g": readTarget(option)
            default: add(readOption(option, module), isInverted, module)
            }
        }
    }

    /// Options of one module that are not understood stay together.
    private mutating func add(_ match: IPTables.Match, _ isInverted: Bool, _ module: String) {
        let prefix = "-m \(module) "
        if !isInverted, case .unknown(let text) = match, case .unknown(let before)? = matches.last,
            before.hasPrefix(prefix), text.hasPrefix(prefix)
        {
            matches[matches.count - 1] = .unknown(before + " " + text.dropFirst(prefix.count))
        } else {
            matches.append(isInverted ? .not(match) : match)
        }
    }

    /// A module without options is a match by itself: `-m socket`.
    private mutating func readModule(_ module: inout String) {
        module = take() ?? ""
        let hasOptions = next.map { $0.hasPrefix("--") || $0 == "!" } ?? false
        if !hasOptions, !["tcp", "udp", "sctp", "icmp", "icmp6", "comment"].contains(module) {
            matches.append(.unknown("-m \(module)"))
        }
    }

    /// The words that belong to an option: up to the next option.
    private mutating func arguments() -> [String] {
        var result: [String] = []
        while let word = next, !word.hasPrefix("-"), word != "!" {
            result.append(word)
            index += 1
        }
        return result
    }

    private mutating func readOption(_ option: String, _ module: String) -> IPTables.Match {
        if option == "--comment" { return .comment(take() ?? "") }
        if option == "--ipvs", module == "ipvs" { return .ipvs }
        let arguments = arguments()
        let known = arguments.count == 1 ? MatchReader(family: family, module: module).read(option, arguments[0]) : nil
        if let known { return known }
        let prefix = option.hasPrefix("--") && !module.isEmpty ? ["-m", module] : []
        return .unknown((prefix + [option] + arguments).joined(separator: " "))
    }

    /// Everything behind the target's name is the target's.
    private mutating func readTarget(_ option: String) {
        let name = take() ?? ""
        let rest = Array(words[min(index, words.count)...])
        index = words.count
        target = option == "-g" ? .goto(name) : TargetReader(name: name, words: rest).read()
    }
}

/// Reads one option of a match.
struct MatchReader {
    let family: IPFamily
    let module: String

    /// `nil` when the option or its argument is not understood.
    func read(_ option: String, _ text: String) -> IPTables.Match? {
        switch option {
        case "-s", "--source": prefix(text).map { .source($0) }
        case "-d", "--destination": prefix(text).map { .destination($0) }
        case "-i", "--in-interface": .incoming(text)
        case "-o", "--out-interface": .outgoing(text)
        case "-p", "--protocol": Nft.protocolNumber(text).map { .protocol($0) }
        case "--sport", "--source-port": Self.ports(text, ":").map { .sourcePort($0) }
        case "--dport", "--destination-port": Self.ports(text, ":").map { .destinationPort($0) }
        case "--dports", "--destination-ports": portList(text).map { .destinationPorts($0) }
        case "--dst-type": single(text).map { .destinationType($0) }
        case "--src-type": single(text).map { .sourceType($0) }
        case "--ctstate" where module == "conntrack", "--state" where module == "state":
            .state(text.split(separator: ",").map(String.init))
        case "--mark" where module == "mark": Self.mark(text).map { .mark($0.0, mask: $0.1) }
        default: nil
        }
    }

    private func prefix(_ text: String) -> CIDR? {
        if let address = IPAddress(text) { return address.family == family ? CIDR(host: address) : nil }
        return CIDR(text).flatMap { $0.family == family ? $0 : nil }
    }

    /// `LOCAL`; a list is more than we can say.
    private func single(_ text: String) -> String? { text.contains(",") ? nil : text }

    private func portList(_ text: String) -> [ClosedRange<UInt16>]? {
        let all = text.split(separator: ",").map { Self.ports(String($0), ":") }
        return all.contains { $0 == nil } ? nil : all.compactMap { $0 }
    }

    /// `80`, `80:90`, `80:`, `:90`.
    static func ports(_ text: String, _ separator: Character) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false)
        guard let low = ends[0].isEmpty && ends.count == 2 ? 0 : UInt16(ends[0]) else { return nil }
        guard ends.count == 2 else { return low...low }
        guard let high = ends[1].isEmpty ? .max : UInt16(ends[1]), low <= high else { return nil }
        return low...high
    }

    /// `0x1/0xff`, `0x1`.
    static func mark(_ text: String) -> (UInt32, UInt32)? {
        let parts = text.split(separator: "/").map { number($0) }
        switch parts.count {
        case 1: return parts[0].map { ($0, .max) }
        case 2: return parts[0].flatMap { value in parts[1].map { (value, $0) } }
        default: return nil
        }
    }

    private static func number(_ text: Substring) -> UInt32? {
        text.hasPrefix("0x") ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
    }
}
