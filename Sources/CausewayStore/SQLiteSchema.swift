import CausewayModel
import Foundation
import GRDB

/// The store's tables: one row for each object, and the revision.
enum SQLiteSchema {
    /// Migrations are named, and only ever appended.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("001 objects and revision") { db in
            try db.execute(
                sql: """
                    CREATE TABLE object (
                        kind TEXT NOT NULL,
                        id TEXT NOT NULL,
                        version INTEGER NOT NULL,
                        json BLOB NOT NULL,
                        PRIMARY KEY (kind, id)
                    ) WITHOUT ROWID;
                    CREATE TABLE revision (number INTEGER NOT NULL);
                    INSERT INTO revision (number) VALUES (0);
                    """)
        }
        migrator.registerMigration("002 additions") { db in
            try db.execute(
                sql: """
                    CREATE TABLE addition (
                        kind TEXT NOT NULL,
                        id TEXT NOT NULL,
                        version INTEGER NOT NULL,
                        json BLOB NOT NULL,
                        PRIMARY KEY (kind, id)
                    ) WITHOUT ROWID;
                    """)
        }
        return migrator
    }

    /// Where objects of a kind are kept.
    ///
    /// A release refuses a kind in `object` that it does not know, and passes over one in `addition`. So each kind that
    /// came after the first release is an addition: the release before still opens the file.
    static func table(of kind: StoreKind) -> String {
        switch kind {
        case .cluster, .node, .network, .service, .task: "object"
        case .container, .dependency: "addition"
        }
    }

    /// Reads the whole store; the keys of `ring` open what is encrypted.
    static func load(_ db: Database, _ ring: [StoreKey]) throws -> StoreSnapshot {
        var snapshot = StoreSnapshot()
        snapshot.revision = try revision(db)
        try load("object", db, ring, into: &snapshot) { kind, id in
            throw SwarmError(.internal, "unknown kind '\(kind)' of object \(id): a newer version wrote this file")
        }
        try load("addition", db, ring, into: &snapshot) { _, _ in }
        return snapshot
    }

    private static func load(
        _ table: String, _ db: Database, _ ring: [StoreKey], into snapshot: inout StoreSnapshot,
        meeting unknown: (_ kind: String, _ id: String) throws -> Void
    ) throws {
        let rows = try Row.fetchCursor(db, sql: "SELECT kind, id, json FROM \(table) ORDER BY kind, id")
        while let row = try rows.next() {
            let (kind, id, json): (String, String, Data) = (row[0], row[1], row[2])
            guard let known = StoreKind(rawValue: kind) else {
                try unknown(kind, id)
                continue
            }
            do {
                let isSealed = isAlwaysSealed(known) || StoreKey.isSealed(json)
                let plain = isSealed ? try StoreKey.open(json, as: "\(kind)/\(id)", with: ring) : json
                try read(known, plain, into: &snapshot)
            } catch {
                throw SwarmError(.internal, "\(kind) \(id) cannot be read: \(error)")
            }
        }
    }

    /// Writes changed objects and the revision.
    ///
    /// Runs in a transaction of the caller.
    static func save(_ changes: [StoreChange], revision: UInt64, _ seal: Seal, in db: Database) throws {
        for change in changes {
            let table = table(of: change.kind)
            guard let after = change.after else {
                try db.execute(
                    sql: "DELETE FROM \(table) WHERE kind = ? AND id = ?",
                    arguments: [change.kind.rawValue, change.id])
                continue
            }
            try db.execute(
                sql: "INSERT OR REPLACE INTO \(table) (kind, id, version, json) VALUES (?, ?, ?, ?)",
                arguments: [change.kind.rawValue, change.id, Int64(revision), try written(after, seal)])
        }
        try db.execute(sql: "UPDATE revision SET number = ?", arguments: [Int64(revision)])
    }

    /// An object as it is on the disk.
    static func written(_ object: StoreObject, _ seal: Seal) throws -> Data {
        let json = try json(object)
        return isSealed(object.kind, seal) ? try seal.key.seal(json, as: "\(object.kind.rawValue)/\(object.id)") : json
    }

    private static func json(_ object: StoreObject) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return switch object {
        case .cluster(let cluster): try encoder.encode(cluster)
        case .node(let node): try encoder.encode(node)
        case .network(let network): try encoder.encode(network)
        case .service(let service): try encoder.encode(service)
        case .task(let task): try encoder.encode(task)
        case .container(let container): try encoder.encode(container)
        case .dependency(let dependency): try encoder.encode(dependency)
        }
    }

    private static func read(_ kind: StoreKind, _ json: Data, into snapshot: inout StoreSnapshot) throws {
        func add<Object: StoredObject>(_ type: Object.Type) throws {
            let object = try JSONDecoder().decode(type, from: json)
            snapshot.set(object, at: object.id, was: nil)
        }
        switch kind {
        case .cluster: try add(Swarm.Cluster.self)
        case .node: try add(Swarm.Node.self)
        case .network: try add(Swarm.Network.self)
        case .service: try add(Swarm.Service.self)
        case .task: try add(Swarm.Task.self)
        case .container: try add(StoredContainer.self)
        case .dependency: try add(Swarm.Dependency.self)
        }
    }
}
