import FoundationEssentials

/// Where each container is to be started, for `causeway-oci` to read.
///
/// - `FOLDER/CONTAINER`, kept over a reboot, where the folder may be that of several nodes with one engine: the path of the network namespace; for a container of a user
///   also the lines `ready PATH` (a file that is there while the namespace is complete) and `agent PATH` (the socket to
///   ask at).
/// - `RUN/ready/NAMESPACE`, gone at a reboot.
package struct PlaceFiles: Sendable {
    private let folder: String
    private let runDirectory: String
    private let agentSocket: String

    package init(folder: String, runDirectory: String, agentSocket: String) {
        self.folder = folder
        self.runDirectory = runDirectory
        self.agentSocket = agentSocket
    }

    private func marker(_ namespace: String) -> String { "\(runDirectory)/ready/\(namespace)" }

    /// Written under another name and renamed, so that nobody reads half a path.
    func write(_ lines: [String], of container: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let text = lines.joined(separator: "\n")
        try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(container)"), options: .atomic)
    }

    /// Says where a user's container is to be started, and whom to ask before.
    package func write(namespacePath: String, namespace: String, of container: String) throws {
        try write([namespacePath, "ready \(marker(namespace))", "agent \(agentSocket)"], of: container)
    }

    package func remove(container: String) throws {
        try FileManager.default.removeIfThere("\(folder)/\(container)")
    }

    package func containers() throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder) else { return [] }
        // A file that is being written has another name: containers' identifiers are hexadecimal.
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.allSatisfy(\.isHexDigit) }
    }

    package func markReady(_ namespace: String) throws {
        let path = marker(namespace)
        guard !FileManager.default.fileExists(atPath: path) else { return }
        try FileManager.default.createDirectory(atPath: "\(runDirectory)/ready", withIntermediateDirectories: true)
        try Data().write(to: URL(filePath: path))
    }

    package func unmarkReady(_ namespace: String) throws { try FileManager.default.removeIfThere(marker(namespace)) }
}

extension FileManager {
    /// Not asked first whether it is there: the end of a task and a look at all of them may come at once.
    func removeIfThere(_ path: String) throws {
        do {
            try removeItem(atPath: path)
        } catch let error as CocoaError where error.code == .fileNoSuchFile {
            return
        }
    }
}
