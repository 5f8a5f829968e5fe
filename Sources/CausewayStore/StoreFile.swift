import CausewayModel
import Foundation
import GRDB

/// The store's file, looked at or copied from outside: by a program that may not be the one that writes it.
package struct StoreFile: Sendable {
    package let path: String
    /// Where the key of what is encrypted is.
    package let keyPath: String

    /// `keyPath`: If it is not where it belongs, `PATH.key`.
    package init(path: String, keyPath: String? = nil) {
        self.path = path
        self.keyPath = keyPath ?? "\(path).key"
    }

    /// What a file holds, as far as this release reads it.
    package struct Contents: Sendable {
        package var revision: UInt64
        package var nodes: [Swarm.ID]
        /// `nil`: only the swarm's unlock key can open it.
        package var snapshot: StoreSnapshot?
        /// Steps that this release would take to bring the file up to date, in order.
        package var pendingMigrations: [String]
    }

    /// Reads the whole file, and changes nothing in it; `nil` when there is none.
    ///
    /// - Throws: when it is damaged, is no store, or was written by a release that this one cannot read.
    package func read() throws(SwarmError) -> Contents? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try attempt("read") {
            let queue = try open()
            try queue.read(SQLiteSchema.refuseNewer)
            let pending = try queue.read(SQLiteSchema.pending)
            // What an older release wrote is read in memory, where it may be brought up to date.
            let copy = try DatabaseQueue()
            try queue.backup(to: copy)
            try SQLiteSchema.migrator.migrate(copy)
            try copy.read(Self.checkIntegrity)
            let ring = try copy.read(openRing)
            return Contents(
                revision: try copy.read(SQLiteSchema.revision), nodes: try copy.read(SQLiteSchema.nodes),
                snapshot: try ring.map { ring in try copy.read { try SQLiteSchema.load($0, ring.keys) } },
                pendingMigrations: pending)
        }
    }

    /// Throws when a release that this one cannot read has written the file; changes nothing in it.
    func refuseNewer() throws {
        guard FileManager.default.fileExists(atPath: path) else { return }
        try open().read(SQLiteSchema.refuseNewer)
    }

    /// Copies the file, whole and consistent, while another process may write to it (SQLite's online backup).
    ///
    /// The copy is root's alone (0600), one file, checked, and there either whole or not at all. `replacing`: Whether
    /// a file that is there already may be overwritten.
    package func copy(to target: String, replacing: Bool = false) throws(SwarmError) {
        guard FileManager.default.fileExists(atPath: path) else {
            throw SwarmError(.notFound, "there is no store at \(path): give its folder with --state-dir")
        }
        guard replacing || !FileManager.default.fileExists(atPath: target) else {
            throw SwarmError(.conflict, "\(target) is there already: choose another name, or remove it")
        }
        let part = "\(target).part"
        do {
            try attempt("copy") {
                try Self.makePrivate(part)
                let copy = try DatabaseQueue(path: part)
                try open().backup(to: copy)
                try copy.read(Self.checkIntegrity)
                // Without a log beside it, so that one file is all there is to keep.
                try copy.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
                try copy.close()
                try FileManager.default.moveItem(replacing: target, by: part)
            }
        } catch {
            for ending in ["", "-wal", "-shm", "-journal"] { unlink(part + ending) }
            throw error
        }
    }

    /// Copies the file, and the key as it is, locked or not, to where the copy looks for it.
    ///
    /// The one opens the other, also when the lock is changed meanwhile. Returns where the key is; `nil` when there is
    /// none.
    package func copyWithKey(to target: String) throws(SwarmError) -> String? {
        let place = StoreFile(path: target).keyPath
        for attempt in 0..<5 {
            let key = try StoreKeyFile.read(keyPath)
            try copy(to: target, replacing: attempt > 0)
            guard try StoreKeyFile.read(keyPath) == key else { continue }
            try key?.write(place)
            return key == nil ? nil : place
        }
        throw SwarmError(.unavailable, "the store's key \(keyPath) changes all the time: try again")
    }

    /// The keys as the file has them, `nil` when they are locked; drawn if nothing needs older ones.
    ///
    /// Writes nothing: what was drawn is in no file yet.
    func openRing(_ db: Database) throws -> KeyRing? {
        switch try StoreKeyFile.read(keyPath) {
        case .open(let key): return KeyRing(keys: [key], locks: [])
        case .locked where try SQLiteSchema.holdsSealed(db): return nil
        case .locked: return KeyRing(keys: [StoreKey()], locks: [nil])
        case nil:
            guard try !SQLiteSchema.holdsSealed(db) else { throw StoreKey.missing(keyPath) }
            return KeyRing(keys: [StoreKey()], locks: [nil])
        }
    }

    /// Moves the file aside, with the log and the index that SQLite may have beside it.
    ///
    /// Returns where it is now; `nil` when there is none.
    package func setAside(as aside: String) throws(SwarmError) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        for ending in ["-wal", "-shm", ""] where FileManager.default.fileExists(atPath: path + ending) {
            guard rename(path + ending, aside + ending) == 0 else {
                throw SwarmError(.internal, "cannot move \(path + ending) aside: \(String(cString: strerror(errno)))")
            }
        }
        return aside
    }

    private func open() throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private func attempt<R>(_ verb: String, _ body: () throws -> R) throws(SwarmError) -> R {
        do {
            return try body()
        } catch let error as SwarmError {
            throw SwarmError(error.reason, "cannot \(verb) the store \(path): \(error.message)")
        } catch {
            throw SwarmError(.internal, "cannot \(verb) the store \(path): \(error)")
        }
    }

    private static func checkIntegrity(_ db: Database) throws {
        let words = try String.fetchAll(db, sql: "PRAGMA integrity_check")
        guard words == ["ok"] else {
            throw SwarmError(
                .internal, "it is damaged (\(words.prefix(3).joined(separator: "; "))); take a backup that is whole")
        }
    }

    /// Makes the file before SQLite does, so that nobody else can read it for a moment.
    static func makePrivate(_ path: String) throws(SwarmError) {
        unlink(path)
        let file = Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw SwarmError(.internal, "cannot make \(path): \(String(cString: strerror(errno)))")
        }
        close(file)
    }
}

extension FileManager {
    /// Renames a file over another one, which need not be there.
    fileprivate func moveItem(replacing target: String, by source: String) throws(SwarmError) {
        guard rename(source, target) == 0 else {
            throw SwarmError(.internal, "cannot make \(target): \(String(cString: strerror(errno)))")
        }
    }
}
