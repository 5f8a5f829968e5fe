import CausewayModel

/// The name servers that a host uses.
package enum Upstreams {
    /// As many as the C library looks at: MAXNS in `<resolv.h>`.
    package static let most = 3

    /// Reads the name servers of a resolv.conf(5), in order, each once.
    ///
    /// Loopback addresses stay: queries are sent from the host's own namespace, where its local resolver listens.
    /// Addresses with a zone (`fe80::1%eth0`) are left out, as an ``IPAddress`` has none.
    package static func read(resolvConf text: String) -> [IPAddress] {
        var servers: [IPAddress] = []
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.split(whereSeparator: \.isWhitespace)
            guard words.count >= 2, words[0] == "nameserver", let address = IPAddress(String(words[1])),
                !servers.contains(address)
            else { continue }
            servers.append(address)
        }
        return Array(servers.prefix(most))
    }
}
