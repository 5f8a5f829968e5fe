import CausewayModel

/// A service label that says where one of its published ports is offered, or to whom.
///
/// `causeway.publish.PORT.bind` has addresses and links of the host, `causeway.publish.PORT.from` has addresses and
/// subnets of clients; both are separated by commas. PORT is `8080/udp`, or `8080` for every protocol published there.
struct PublishLabel {
    enum Kind: String, CaseIterable { case bind, from }

    let label: String
    let kind: Kind
    let port: UInt16
    /// `nil`: every one.
    let transport: Swarm.TransportProtocol?
    let scope: PortScope

    private static let prefix = "causeway.publish."

    static func isOne(_ label: String) -> Bool { label.hasPrefix(prefix) }

    /// Refuses what is not understood, by the label's name.
    init(_ label: String, _ value: String) throws(SwarmError) {
        self.label = label
        let parts = label.dropFirst(Self.prefix.count).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let kind = Kind(rawValue: String(parts[1])) else {
            throw Self.wrong(label, "is not known", "use causeway.publish.PORT.bind or causeway.publish.PORT.from")
        }
        self.kind = kind
        let words = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        transport = words.count == 2 ? Swarm.TransportProtocol(rawValue: String(words[1])) : nil
        guard let port = UInt16(words[0]), port > 0, "\(port)" == words[0], words.count == (transport == nil ? 1 : 2)
        else {
            throw Self.wrong(label, "'\(parts[0])' is not a port", "write it as in 8080 or 8080/udp")
        }
        self.port = port
        scope = try Self.scope(kind, value, label)
    }

    private static func scope(_ kind: Kind, _ value: String, _ label: String) throws(SwarmError) -> PortScope {
        let items = value.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmed) }
        guard items.allSatisfy({ !$0.isEmpty }) else {
            throw wrong(label, "'\(value)' has an empty item", "name what is wanted, or leave the label away")
        }
        var scope = PortScope()
        for item in items {
            switch kind {
            case .bind:
                if let address = IPAddress(item) {
                    scope.addresses.append(address)
                } else if isLinkName(item) {
                    scope.interfaces.append(item)
                } else {
                    throw wrong(
                        label, "'\(item)' is neither an address nor an interface", "write it as in 192.0.2.1 or eth0")
                }
            case .from:
                guard let source = CIDR(item) ?? IPAddress(item).map({ CIDR(host: $0) }) else {
                    throw wrong(
                        label, "'\(item)' is neither an address nor a subnet", "write it as in 192.0.2.1 or 10.0.0.0/8")
                }
                scope.sources.append(source.network)
            }
        }
        return scope
    }

    /// What the kernel takes for a link's name (`dev_valid_name`), and what cannot be a misspelt address.
    private static func isLinkName(_ text: String) -> Bool {
        text.utf8.count <= 15 && text != "." && text != ".."
            && text.contains { $0.isASCII && $0.isLetter }
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.@".contains($0)) }
    }

    static func wrong(_ label: String, _ cause: String, _ remedy: String) -> SwarmError {
        Refusal.invalid("label '\(label)': \(cause): \(remedy)")
    }

    func covers(_ config: Swarm.PortConfig) -> Bool {
        config.publishedPort == port && (transport == nil || config.protocol == transport)
    }
}

extension PublishLabel {
    /// Checks all labels of a service with these ports.
    static func check(_ labels: [String: String], of ports: [Swarm.PortConfig]) throws(SwarmError) {
        var seen: [TransportPort: [Kind: String]] = [:]
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) where isOne(name) {
            let label = try PublishLabel(name, value)
            let covered = ports.filter(label.covers)
            guard !covered.isEmpty else { throw label.namesNoPort(of: ports) }
            for config in Set(covered.map { TransportPort($0.protocol, label.port) }).sorted() {
                if let other = seen[config]?[label.kind] {
                    throw wrong(
                        name, "'\(other)' says it of \(config.port)/\(config.protocol.rawValue) already",
                        "leave one of them away")
                }
                seen[config, default: [:]][label.kind] = name
            }
        }
    }

    private func namesNoPort(of ports: [Swarm.PortConfig]) -> SwarmError {
        let known = ports.compactMap { config in
            config.publishedPort.flatMap { $0 > 0 ? TransportPort(config.protocol, $0) : nil }
        }
        let text = Set(known).sorted().map { "\($0.port)/\($0.protocol.rawValue)" }.joined(separator: ", ")
        let wanted = transport.map { "\(port)/\($0.rawValue)" } ?? "\(port)"
        return Self.wrong(
            label, "the service does not publish port \(wanted)",
            text.isEmpty ? "publish it, with a number of its own" : "publish it, or name one of \(text)")
    }

    /// Checks that this host has what ports are bound to.
    static func check(_ labels: [String: String], against links: [String: [IPAddress]]) throws(SwarmError) {
        let own = Set(links.values.joined())
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) where isOne(name) {
            let scope = try PublishLabel(name, value).scope
            for address in scope.addresses
            where !own.contains(address) && !address.isUnspecified && !CIDR(host: address).isLoopback {
                throw wrong(
                    name, "this host does not have the address \(address)", "use \(list(own.sorted().map { "\($0)" }))")
            }
            for link in scope.interfaces where links[link] == nil {
                throw wrong(name, "this host has no interface '\(link)'", "use \(list(links.keys.sorted()))")
            }
        }
    }

    /// Without our own links to tasks, of which there are many.
    private static func list(_ names: [String]) -> String {
        let shown = names.filter { !$0.hasPrefix("cw-") }
        return shown.count > 1 ? "one of \(shown.joined(separator: ", "))" : shown.first ?? "another one"
    }

    /// The scopes of a service's ports.
    ///
    /// The labels have passed the check; what does not concern these ports is left out.
    static func scopes(_ labels: [String: String], of ports: [Swarm.PortConfig]) -> [TransportPort: PortScope] {
        var scopes: [TransportPort: PortScope] = [:]
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) where isOne(name) {
            guard let label = try? PublishLabel(name, value) else { continue }
            for port in Set(ports.filter(label.covers).map { TransportPort($0.protocol, label.port) }) {
                scopes[port, default: PortScope()].addresses += label.scope.addresses
                scopes[port, default: PortScope()].interfaces += label.scope.interfaces
                scopes[port, default: PortScope()].sources += label.scope.sources
            }
        }
        return scopes
    }
}

extension StringProtocol {
    /// Without spaces around it.
    fileprivate var trimmed: SubSequence {
        let rest = drop { $0 == " " }
        return rest[..<(rest.lastIndex { $0 != " " }.map { rest.index(after: $0) } ?? rest.startIndex)]
    }
}
