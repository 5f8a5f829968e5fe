import ArgumentParser
import CausewayModel
import CausewayStore
import Foundation

/// The command `causewayd backup FILE`.
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies the store, consistent, while the daemon runs or not.",
        discussion: """
            The copy holds all that the swarm is: services, networks, addresses, and its keys. It is readable by root
            alone; keep it so. Secrets and configs in it are encrypted; their key is written beside it, as FILE.key.
            Keep the two apart: only together can they be restored. Of a swarm with autolock everything is encrypted, and
            so is FILE.key: what opens it is the unlock key of the time when the copy was made.

            Example:
              causewayd backup /root/swarm-$(date +%F).sqlite
            """)

    @Argument(help: "The file to write; it must not be there yet.")
    var file: String

    @OptionGroup var flags: Flags

    func run() async throws {
        let settings = try await Settings.read(flags: flags)
        guard !FileManager.default.fileExists(atPath: StoreFile(path: file).keyPath) else {
            throw SwarmError(.conflict, "\(file).key is there already: choose another name, or remove it")
        }
        let key = try StoreFile(path: settings.storePath).copyWithKey(to: file)
        guard let contents = try StoreFile(path: file).read() else {
            throw SwarmError(.internal, "\(file) is not there any more")
        }
        print("\(file): the store at revision \(contents.revision)")
        guard let key else { return }
        print(
            contents.snapshot == nil
                ? "\(key): its key, locked; keep the unlock key of today too (docker swarm unlock-key)"
                : "\(key): the key of its secrets and configs")
    }
}

/// The command `causewayd restore FILE`.
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Puts a copy that `causewayd backup` made into the place of the store.",
        discussion: """
            The daemon must not run. The store that was there is kept beside it, as swarm.sqlite.before-restore-TIME.
            When the daemon starts, tasks that the copy does not know are removed, and those that it misses are started.

            On a new machine the node takes the identity that it has in the copy. Secrets and configs need their key,
            FILE.key, unless the key that is here already is the one. A key that is replaced is kept beside it too.
            A copy of a swarm with autolock needs its own FILE.key; the daemon then starts locked.

            Example:
              systemctl stop causewayd
              causewayd restore /root/swarm-2026-11-23.sqlite
              systemctl start causewayd
            """)

    @Argument(help: "The copy to restore.")
    var file: String

    @OptionGroup var flags: Flags

    func run() async throws {
        let settings = try await Settings.read(flags: flags)
        let copy = StoreFile(path: file, keyPath: keyPath(settings))
        guard let contents = try copy.read() else {
            throw SwarmError(.notFound, "there is no file '\(file)'")
        }
        guard contents.snapshot != nil || copy.keyPath == StoreFile(path: file).keyPath else {
            throw SwarmError(
                .conflict,
                "'\(file)' is of a swarm with autolock, and whether the key that is here would open it cannot be seen: "
                    + "put the copy's own key beside it, as \(StoreFile(path: file).keyPath)")
        }
        try makeDirectory(settings.stateDirectory)
        let lock = try StateLock(directory: settings.stateDirectory)
        defer { lock.release() }
        try adoptIdentity(of: contents.nodes, settings)
        let store = StoreFile(path: settings.storePath)
        let kept = "\(settings.storePath).before-restore-\(Timestamp.now.description.filter { $0 != ":" })"
        // First the keys: a store without its key would be worth nothing, a key without a store does no harm.
        let key = try StoreKeyFile.read(copy.keyPath)
        if let own = try StoreKeyFile.read(store.keyPath), let key, key != own {
            try own.write(StoreFile(path: kept).keyPath)
        }
        let aside = try store.setAside(as: kept)
        do {
            try copy.copy(to: settings.storePath)
            try key?.write(store.keyPath)
        } catch {
            if let aside { _ = try StoreFile(path: aside).setAside(as: settings.storePath) }
            throw error
        }
        print("\(settings.storePath): the store at revision \(contents.revision)")
        if contents.snapshot == nil { print("It is locked: start the daemon, then docker swarm unlock") }
        if let aside { print("\(aside): the store that was there before") }
    }

    /// Where the copy's key is: beside it, or here already.
    private func keyPath(_ settings: Settings) -> String? {
        let beside = StoreFile(path: file).keyPath
        if FileManager.default.fileExists(atPath: beside) { return beside }
        let here = StoreFile(path: settings.storePath).keyPath
        return FileManager.default.fileExists(atPath: here) ? here : nil
    }

    private func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// A machine without an identity takes the one that the copy's only node has.
    private func adoptIdentity(of nodes: [Swarm.ID], _ settings: Settings) throws {
        guard FileManager.default.fileExists(atPath: NodeIdentity.path(settings.stateDirectory)) else {
            if let only = nodes.first, nodes.count == 1 {
                try NodeIdentity.write(only, stateDirectory: settings.stateDirectory)
            }
            return
        }
        let own = try NodeIdentity.read(stateDirectory: settings.stateDirectory)
        guard nodes.isEmpty || nodes.contains(own) else {
            throw SwarmError(
                .conflict,
                "'\(file)' is the store of another node (\(nodes.joined(separator: ", "))), and this one is \(own): "
                    + "if this machine is to take its place, remove \(NodeIdentity.path(settings.stateDirectory)) first"
            )
        }
    }
}
