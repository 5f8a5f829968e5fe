import CausewayModel
import Foundation
import GRDB

/// What of a store's file is encrypted, and with what.
extension SQLiteSchema {
    /// How rows are written.
    struct Seal: Sendable {
        var key: StoreKey
        /// Every row, not only secrets and configs: the swarm locks.
        var isWhole: Bool
    }

    /// Whether objects of a kind are encrypted whatever the swarm asks for.
    static func isAlwaysSealed(_ kind: StoreKind) -> Bool { kind == .dependency }

    static func isSealed(_ kind: StoreKind, _ seal: Seal) -> Bool { seal.isWhole || isAlwaysSealed(kind) }

    /// Whether there is anything that only a key can read.
    static func holdsSealed(_ db: Database) throws -> Bool {
        for table in ["object", "addition"] where try db.tableExists(table) {
            let rows = try Row.fetchCursor(db, sql: "SELECT json FROM \(table)")
            while let row = try rows.next() {
                if StoreKey.isSealed(row[0] as Data) { return true }
            }
        }
        return false
    }

    /// Writes every object anew, and says of the file whether a release that knows no locks can read it.
    ///
    /// Runs in a transaction of the caller.
    static func reseal(_ snapshot: StoreSnapshot, _ seal: Seal, in db: Database) throws {
        for object in snapshot.everything {
            try db.execute(
                sql: "UPDATE \(table(of: object.kind)) SET json = ? WHERE kind = ? AND id = ?",
                arguments: [try written(object, seal), object.kind.rawValue, object.id])
        }
        try db.execute(sql: "PRAGMA user_version = \(seal.isWhole ? sealedForm : plainForm)")
    }

    /// Leaves nothing of what rows were before: neither in the file's free pages nor in the log.
    static func purge(_ db: Database) throws {
        try db.execute(sql: "VACUUM")
        try db.checkpoint(.truncate)
    }

    /// Takes every row away.
    static func forget(_ db: Database) throws {
        try db.execute(sql: "DELETE FROM object")
        try db.execute(sql: "DELETE FROM addition")
        try db.execute(sql: "UPDATE revision SET number = number + 1")
        try db.execute(sql: "PRAGMA user_version = \(plainForm)")
    }

    /// How far the store has come; readable without any key.
    static func revision(_ db: Database) throws -> UInt64 {
        UInt64(try Int64.fetchOne(db, sql: "SELECT number FROM revision") ?? 0)
    }

    /// The identifiers of the swarm's nodes; readable without any key.
    static func nodes(_ db: Database) throws -> [Swarm.ID] {
        try String.fetchAll(
            db, sql: "SELECT id FROM object WHERE kind = ? ORDER BY id", arguments: [StoreKind.node.rawValue])
    }
}

extension StoreSnapshot {
    /// Every object of every kind.
    var everything: [StoreObject] {
        clusters.sorted.map(\.boxed) + nodes.sorted.map(\.boxed) + networks.sorted.map(\.boxed)
            + services.sorted.map(\.boxed) + tasks.sorted.map(\.boxed) + containers.sorted.map(\.boxed)
            + dependencies.sorted.map(\.boxed)
    }
}

extension StoreObject {
    var kind: StoreKind { stored.kind }
    var id: Swarm.ID { stored.id }

    private var stored: (kind: StoreKind, id: Swarm.ID) {
        switch self {
        case .cluster(let cluster): (.cluster, cluster.id)
        case .node(let node): (.node, node.id)
        case .network(let network): (.network, network.id)
        case .service(let service): (.service, service.id)
        case .task(let task): (.task, task.id)
        case .container(let container): (.container, container.id)
        case .dependency(let dependency): (.dependency, dependency.id)
        }
    }
}
