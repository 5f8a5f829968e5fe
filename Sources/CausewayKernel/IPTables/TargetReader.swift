import CausewayModel

/// Reads a target and its options.
struct TargetReader {
    let name: String
    let words: [String]

    func read() -> IPTables.Target { known ?? .unknown(([name] + words).joined(separator: " ")) }

    private var known: IPTables.Target? {
        switch name {
        case "ACCEPT": .accept
        case "DROP": .drop
        case "RETURN": .return
        case "LOG", "NFLOG": .log
        case "MASQUERADE": words.isEmpty || words[0].hasPrefix("--") ? .masquerade : nil
        case "REJECT": .reject(with: option("--reject-with") ?? "icmp-port-unreachable")
        case "REDIRECT": redirect
        case "DNAT": destination
        case "SNAT": source
        case "MARK": mark
        // A module's target is in capitals and has options; a chain of a user's has none.
        default: words.isEmpty && !Self.modules.contains(name) ? .jump(name) : nil
        }
    }

    /// Targets of modules that may stand without options.
    private static let modules: Swift.Set<String> = [
        "QUEUE", "NFQUEUE", "TRACE", "CHECKSUM", "CT", "NOTRACK", "CONNMARK", "CONNSECMARK", "AUDIT", "SYNPROXY",
    ]

    /// The word behind an option, unless options stand there that we do not know.
    private func option(_ name: String) -> String? {
        guard let index = words.firstIndex(of: name), index + 1 < words.count else { return nil }
        return words[index + 1]
    }

    private var redirect: IPTables.Target? {
        guard let text = option("--to-ports") else { return .redirect(ports: nil) }
        return MatchReader.ports(text, "-").map { .redirect(ports: $0) }
    }

    private var destination: IPTables.Target? {
        guard let (addresses, ports) = option("--to-destination").flatMap(Self.place) else { return nil }
        return .dnat(addresses: addresses, ports: ports)
    }

    /// A new port without an address is more than ``IPTables/Target/snat(addresses:ports:)`` can say.
    private var source: IPTables.Target? {
        guard let (addresses, ports) = option("--to-source").flatMap(Self.place), let addresses else { return nil }
        return .snat(addresses: addresses, ports: ports)
    }

    private var mark: IPTables.Target? {
        if let (value, mask) = option("--set-xmark").flatMap(MatchReader.mark) {
            return .setMark(value, mask: mask)
        }
        // `--set-mark` ORs the value in, `--set-xmark` XORs it: equal when the value's bits are cleared before.
        return option("--set-mark").flatMap(MatchReader.mark).map { .setMark($0, mask: $1 | $0) }
    }

    /// `10.0.0.5`, `10.0.0.5-10.0.0.9:80-90`, `:80`, `[fd00::5]:80`; what follows a `/` (a port's base) is left out.
    private static func place(_ text: String) -> (ClosedRange<IPAddress>?, ClosedRange<UInt16>?)? {
        let (host, port) = split(text)
        var addresses: ClosedRange<IPAddress>?
        if !host.isEmpty {
            guard let range = range(host) else { return nil }
            addresses = range
        }
        guard let port else { return addresses == nil ? nil : (addresses, nil) }
        guard let ports = MatchReader.ports(port, "-") else { return nil }
        return (addresses, ports)
    }

    /// The addresses' text and the ports', at the colon that is not an IPv6 address's.
    private static func split(_ text: String) -> (String, String?) {
        if text.hasPrefix("["), let end = text.lastIndex(of: "]") {
            let host = text[..<end].filter { $0 != "[" && $0 != "]" }
            let rest = text[text.index(after: end)...]
            return (host, rest.hasPrefix(":") ? String(rest.dropFirst()) : nil)
        }
        guard text.filter({ $0 == ":" }).count == 1, let colon = text.firstIndex(of: ":") else { return (text, nil) }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    private static func range(_ text: String) -> ClosedRange<IPAddress>? {
        let ends = text.split(separator: "-").map { IPAddress(String($0)) }
        guard let first = ends.first ?? nil, let last = ends.last ?? nil, ends.count <= 2, first <= last else {
            return nil
        }
        return first...last
    }
}
