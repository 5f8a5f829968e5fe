import CausewayModel

extension IPVS {
    /// Why a listing of services could not be read.
    package struct ReadError: Error, Hashable, Sendable, CustomStringConvertible {
        /// Counted from 1.
        package var line: Int
        package var text: String

        package var description: String { "line \(line) is no line of /proc/net/ip_vs: '\(text)'" }
    }

    /// Reads `/proc/net/ip_vs` (`ip_vs_info_seq_show` in the kernel).
    package static func read(proc text: String) throws(ReadError) -> [Service] {
        var services: [Service] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(separator: " ")
            guard number >= Self.headings, let first = words.first else { continue }
            if first == "->" {
                guard let destination = destination(words), !services.isEmpty else {
                    throw ReadError(line: number + 1, text: String(line.prefix(80)))
                }
                services[services.count - 1].destinations.append(destination)
            } else {
                guard let service = service(words) else {
                    throw ReadError(line: number + 1, text: String(line.prefix(80)))
                }
                services.append(service)
            }
        }
        return services
    }

    /// The version, and two lines of titles.
    private static let headings = 3

    /// `FWM  00000104 rr`, `TCP  0A000001:0050 wrr persistent 300 FFFFFFFF`.
    private static func service(_ words: [Substring]) -> Service? {
        guard words.count >= 3 else { return nil }
        let key: Key
        if words[0] == "FWM" {
            guard let mark = UInt32(words[1], radix: 16) else { return nil }
            key = .mark(mark)
        } else {
            guard let transport = Swarm.TransportProtocol(rawValue: words[0].lowercased()),
                let (address, port) = place(words[1])
            else { return nil }
            key = .address(transport, address, port: port)
        }
        var service = Service(key: key, scheduler: String(words[2]))
        let rest = words.dropFirst(3)
        if let at = rest.firstIndex(of: "persistent") {
            guard at + 1 < rest.endIndex, let seconds = UInt32(rest[at + 1]) else { return nil }
            service.persistence = seconds
            service.flags = rest[..<at].map(String.init)
        } else {
            service.flags = rest.map(String.init)
        }
        return service
    }

    /// `-> 0A000008:0000      Masq    1      0          12`.
    private static func destination(_ words: [Substring]) -> Destination? {
        guard words.count >= 6, let (address, port) = place(words[1]), let weight = UInt32(words[3]),
            let active = UInt32(words[4]), let inactive = UInt32(words[5])
        else { return nil }
        let method: Method
        switch words[2] {
        case "Masq": method = .masquerade
        case "Route": method = .route
        case "Tunnel": method = .tunnel
        case "Local": method = .local
        default: method = .unknown
        }
        return Destination(
            address: address, port: port, method: method, weight: weight, activeConnections: active,
            inactiveConnections: inactive)
    }

    /// `0A000008:0050`, `[2001:0db8:…:0009]:0050`, in hexadecimal.
    private static func place(_ text: Substring) -> (IPAddress, UInt16)? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...], radix: 16)
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            return IPAddress(String(host.dropFirst().dropLast())).map { ($0, port) }
        }
        guard host.count == 8, let number = UInt32(host, radix: 16) else { return nil }
        return (.v4(IPv4Address(rawValue: number)), port)
    }
}
