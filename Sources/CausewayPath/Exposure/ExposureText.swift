import CausewayModel

extension Exposure {
    /// For people: a table of what can be reached, then what is odd about it.
    package var text: String {
        let title = from.map { "from \($0)" } ?? "from outside, by \(Self.list(links, else: "no link"))"
        var lines = ["\(hostname): reachable \(title)", ""]
        lines += openings.isEmpty ? ["nothing"] : Self.table(rows)
        for (title, notes) in [
            ("the firewall disagrees:", disagreementLines), ("published, and not reachable:", closed),
        ]
        where !notes.isEmpty {
            lines += ["", title] + notes
        }
        if !unknown.isEmpty {
            lines += ["", "not understood, so that what depends on it is likely and not certain:"]
            lines += unknown.map { "  \($0)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    // MARK: the table

    /// Openings that differ in the address alone share a row.
    private var rows: [[String]] {
        var rows: [(key: [String], addresses: [String])] = []
        for opening in openings {
            let mark = opening.unknown.isEmpty ? "" : " (likely)"
            let key = [opening.portText, Self.text(of: opening.from), opening.leadsTo.text + mark]
            if let at = rows.firstIndex(where: { $0.key == key }) {
                rows[at].addresses.append("\(opening.address)")
            } else {
                rows.append((key, ["\(opening.address)"]))
            }
        }
        return [["PORT", "AT", "FROM", "LEADS TO"]]
            + rows.map { [$0.key[0], $0.addresses.joined(separator: " "), $0.key[1], $0.key[2]] }
    }

    private static func table(_ rows: [[String]]) -> [String] {
        let widths = (0..<3).map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count + 2) }.joined() + row[3]
        }
    }

    private static func text(of sources: [Sources]) -> String {
        sources.map { source in
            let place = source.prefix.prefixLength == 0 ? "anywhere" : source.prefix.shortText
            return source.except.isEmpty
                ? place : "\(place) but \(source.except.map(\.shortText).joined(separator: " "))"
        }.joined(separator: ", ")
    }

    private static func list(_ names: [String], else none: String) -> String {
        names.isEmpty ? none : names.joined(separator: ", ")
    }

    // MARK: what is odd

    private var disagreementLines: [String] {
        disagreements.map { one in
            let ports = Opening.text(one.firstPort, one.lastPort, one.transport)
            let places = one.addresses.map { "\($0)" }.joined(separator: " ")
            return "  \(ports) at \(places): the firewall says: \(one.firewall); \(one.reality)\(one.remedy)"
        }
    }

    private var closed: [String] {
        unreachable.map { one in
            "  \(one.port)/\(one.transport.rawValue)\(one.service.map { " of service \($0)" } ?? ""): \(one.why)"
        }
    }
}

extension Exposure.Disagreement {
    fileprivate var remedy: String {
        switch kind {
        case .refusedButReachable:
            "; if that is not meant, restrict the port itself (label causeway.publish.PORT.from or .bind), "
                + "or put a rule into DOCKER-USER"
        case .allowedButClosed: "; if nothing is to be there, take the rule away"
        }
    }
}

extension Exposure.Opening {
    /// `8080/tcp`, `1000-1999/udp`.
    package var portText: String { Self.text(firstPort, lastPort, transport) }

    static func text(_ first: UInt16, _ last: UInt16, _ transport: Packet.Transport) -> String {
        (first == last ? "\(first)" : "\(first)-\(last)") + "/\(transport.rawValue)"
    }
}

extension Exposure.Target {
    fileprivate var text: String {
        switch kind {
        case .process: processID.map { "\(name) (pid \($0))" } ?? name
        case .container: "container \(name)" + (port.map { ", port \($0)" } ?? "")
        case .service:
            "service \(name) (\(tasks.joined(separator: " ")))" + (port.map { ", port \($0)" } ?? "")
        }
    }
}

extension CIDR {
    fileprivate var shortText: String { isHost ? "\(address)" : "\(self)" }
}
