import CausewayModel

extension IPVS {
    /// Reads what `ipvsadm -S -n` writes, where /proc is not at hand.
    ///
    /// A line that is not understood is left out and returned, for the one who asked.
    package static func read(save text: String) -> (services: [Service], unread: [String]) {
        var services: [Service] = []
        var unread: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let options = SaveOptions(line)
            guard let key = options.key else {
                unread.append(String(line.prefix(80)))
                continue
            }
            switch options.verb {
            case "-A":
                services.append(
                    Service(
                        key: key, scheduler: options.value("-s") ?? "wlc", flags: options.flags,
                        persistence: options.value("-p").flatMap { UInt32($0) }))
            case "-a":
                guard let at = services.firstIndex(where: { $0.key == key }), let destination = options.destination
                else {
                    unread.append(String(line.prefix(80)))
                    continue
                }
                services[at].destinations.append(destination)
            default: unread.append(String(line.prefix(80)))
            }
        }
        return (services, unread)
    }
}

/// One line's words: a verb, and options with values.
private struct SaveOptions {
    let words: [Substring]

    init(_ line: Substring) { words = line.split(separator: " ") }

    var verb: Substring { words.first ?? "" }

    func value(_ option: Substring) -> String? {
        guard let at = words.firstIndex(of: option), at + 1 < words.count else { return nil }
        return String(words[at + 1])
    }

    var key: IPVS.Key? {
        if let mark = value("-f") { return UInt32(mark).map { .mark($0) } }
        for (option, transport) in [("-t", Swarm.TransportProtocol.tcp), ("-u", .udp)] {
            guard let text = value(Substring(option)) else { continue }
            return Self.place(text).map { .address(transport, $0, port: $1) }
        }
        return nil
    }

    var flags: [String] { words.contains("-o") ? ["ops"] : [] }

    var destination: IPVS.Destination? {
        guard let (address, port) = value("-r").flatMap(Self.place) else { return nil }
        let method: IPVS.Method = words.contains("-m") ? .masquerade : words.contains("-i") ? .tunnel : .route
        return IPVS.Destination(
            address: address, port: port, method: method, weight: value("-w").flatMap { UInt32($0) } ?? 1)
    }

    /// `10.0.0.5:0`, `[2001:db8::5]:80`, in decimal.
    private static func place(_ text: String) -> (IPAddress, UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        return IPAddress(host).map { ($0, port) }
    }
}
