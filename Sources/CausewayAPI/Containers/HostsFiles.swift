import CausewayModel
import FoundationEssentials

/// The `/etc/hosts` of containers on networks of ours, one file for each, below a folder of the daemon.
///
/// Docker Engine writes no line for the container itself when its network is `none`, and the default host name is the
/// container's identifier, which is not known before the container is. A file is changed in place: a mount shows the
/// file that it was made with.
struct HostsFiles: Sendable {
    let folder: String

    func path(of attachment: Swarm.ID) -> String { "\(folder)/\(attachment)" }

    /// `entries` are Docker's, `NAME:ADDRESS`.
    static func text(entries: [(name: String, address: String)], own: [IPAddress], names: String) -> String {
        let localhost = [
            "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
            "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
        ]
        let lines = localhost + entries.map { "\($0.address)\t\($0.name)" } + own.map { "\($0)\t\(names)" }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Splits `NAME:ADDRESS` or `NAME=ADDRESS`; the address may be `host-gateway`.
    static func entry(_ text: String) -> (name: String, address: String)? {
        guard let at = text.firstIndex(where: { $0 == ":" || $0 == "=" }) else { return nil }
        var address = text[text.index(after: at)...]
        if address.hasPrefix("["), address.hasSuffix("]") { address = address.dropFirst().dropLast() }
        return (String(text[..<at]), String(address))
    }

    func write(_ text: String, of attachment: Swarm.ID) throws(APIError) {
        try attempt("write", path(of: attachment)) {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: path(of: attachment)))
            // A container's programs read it, whoever they run as.
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path(of: attachment))
        }
    }

    /// Adds and takes off lines of the container's own addresses, and leaves what the container wrote itself.
    func change(_ attachment: Swarm.ID, adding: [IPAddress], removing: [IPAddress], names: String) throws(APIError) {
        let path = path(of: attachment)
        // Who mounts a file of his own on /etc/hosts has none of ours.
        guard FileManager.default.fileExists(atPath: path) else { return }
        try attempt("change", path) {
            let old = try String(contentsOf: URL(filePath: path), encoding: .utf8)
            let gone = Set((removing + adding).map { "\($0)\t\(names)" })
            let kept = old.split(separator: "\n").map(String.init).filter { !gone.contains($0) }
            let lines = kept + adding.map { "\($0)\t\(names)" }
            try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(filePath: path))
        }
    }

    /// For whom there are files.
    func attachments() throws(APIError) -> [Swarm.ID] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        return try attempt("read", folder) { try FileManager.default.contentsOfDirectory(atPath: folder) }
    }

    func remove(_ attachments: [Swarm.ID]) throws(APIError) {
        for id in attachments where !id.isEmpty {
            try attempt("remove", path(of: id)) { try FileManager.default.removeItem(atPath: path(of: id)) }
        }
    }

    private func attempt<T>(_ verb: String, _ path: String, _ work: () throws -> T) throws(APIError) -> T {
        do { return try work() } catch { throw APIError(500, "cannot \(verb) \(path): \(error)") }
    }
}
