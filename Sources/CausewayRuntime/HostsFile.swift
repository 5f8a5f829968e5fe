import CausewayModel

/// The text of a task's `/etc/hosts`.
///
/// Docker Engine writes no line for the container itself when its network is `none`, and the default host name is
/// the container's identifier, which is not known before the container is: so the file is ours.
enum HostsFile {
    /// `entries` are the user's lines, `ADDRESS NAME [NAME …]`; an entry without a name is left out.
    static func text(hostname: String, addresses: [IPAddress], entries: [String]) -> String {
        let localhost = [
            "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
            "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
        ]
        let users: [String] = entries.compactMap { entry in
            let words = entry.split { $0 == " " || $0 == "\t" }
            return words.count < 2 ? nil : "\(words[0])\t\(words.dropFirst().joined(separator: " "))"
        }
        let short = hostname.prefix { $0 != "." }
        let names = short == hostname || short.isEmpty ? hostname : "\(hostname) \(short)"
        return (localhost + users + addresses.map { "\($0)\t\(names)" }).map { $0 + "\n" }.joined()
    }
}
