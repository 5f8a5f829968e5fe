import CausewayModel
import Foundation
import GRDB

/// One release and the next: which files can be read, and how an older one is brought up to date.
extension SQLiteSchema {
    /// The newest form of the file that this release can read, as `PRAGMA user_version` has it.
    ///
    /// A migration whose result the release before cannot read raises it; one that only adds does not.
    static let readableForm = sealedForm

    /// The form of a store that any release since the first can read.
    static let plainForm = 1
    /// The form of one that is encrypted as a whole: what a release that knows no locks would take for damage.
    static let sealedForm = 2

    /// Throws when a release whose form of the file is not known here has written it.
    static func refuseNewer(_ db: Database) throws {
        let form = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard form <= readableForm else {
            throw SwarmError(
                .unavailable,
                "a newer release wrote it (form \(form); this release, \(Release.version), reads up to "
                    + "\(readableForm)): install that release again, or restore a backup of this one")
        }
    }

    /// The migrations that are still to be run.
    static func pending(_ db: Database) throws -> [String] {
        let done = try migrator.appliedIdentifiers(db)
        return migrator.migrations.filter { !done.contains($0) }
    }

    /// Brings a file up to date.
    ///
    /// What was there before is kept beside it, as `PATH.before-NNN`, NNN the first migration's number.
    static func update(_ queue: DatabaseQueue, path: String) throws {
        try queue.read(refuseNewer)
        let pending = try queue.read(pending)
        let form = try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
        guard let first = pending.first else { return }
        if pending.count < migrator.migrations.count {
            try StoreFile(path: path).copy(to: "\(path).before-\(first.prefix(3))", replacing: true)
        }
        try migrator.migrate(queue)
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = \(max(form, plainForm))") }
    }
}
