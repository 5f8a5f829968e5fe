import CausewayModel

/// One object before and after a transaction.
///
/// `before` is `nil` for a new one, `after` for one that is gone.
package struct StoreChange: Hashable, Sendable {
    package let kind: StoreKind
    package let id: Swarm.ID
    package internal(set) var before: StoreObject?
    package internal(set) var after: StoreObject?
}

/// A set of writes that take effect together or not at all, and the view that they were decided from.
///
/// `view` shows the transaction's own writes. A written object's version becomes the revision that the transaction
/// commits as, and its `updatedAt` the transaction's time; so a caller that writes an object twice must read it again
/// in between, as another writer must.
package struct StoreTransaction {
    /// The store as it will be if the transaction ended here; its revision is the coming one.
    package private(set) var view: StoreSnapshot
    /// The time that is written into changed objects.
    package let now: Timestamp

    private struct Key: Hashable {
        let kind: StoreKind
        let id: Swarm.ID
    }

    private var changed: [Key: StoreChange] = [:]

    init(from snapshot: StoreSnapshot, at now: Timestamp) {
        view = snapshot
        view.revision += 1
        self.now = now
    }

    /// The version of an object that was written in this transaction.
    package var version: Swarm.Version { Swarm.Version(view.revision) }

    /// Adds an object; refused when its identifier is taken.
    package mutating func create<Object: StoredObject>(_ object: Object) throws(SwarmError) {
        guard Object.table(of: view)[object.id] == nil else {
            throw SwarmError(.conflict, "\(Object.kind.rawValue) \(object.id) already exists")
        }
        var object = object
        object.meta.createdAt = now
        put(object, before: nil)
    }

    /// Replaces an object; refused when the caller did not read its newest version.
    ///
    /// An equal object is not written.
    package mutating func update<Object: StoredObject>(_ object: Object) throws(SwarmError) {
        guard let before = Object.table(of: view)[object.id] else {
            throw SwarmError(.notFound, "\(Object.kind.rawValue) \(object.id) not found")
        }
        guard before.meta.version == object.meta.version else { throw .outOfSequence }
        guard before != object else { return }
        put(object, before: before)
    }

    /// Takes an object away; one that is not there is no error.
    package mutating func remove<Object: StoredObject>(_: Object.Type, _ id: Swarm.ID) {
        guard let before = Object.table(of: view)[id] else { return }
        view.set(nil as Object?, at: id, was: before)
        note(Object.kind, id, before: before.boxed, after: nil)
    }

    /// Takes everything away.
    package mutating func removeAll() {
        for object in view.containers.sorted { remove(StoredContainer.self, object.id) }
        for object in view.tasks.sorted { remove(Swarm.Task.self, object.id) }
        for object in view.services.sorted { remove(Swarm.Service.self, object.id) }
        for object in view.dependencies.sorted { remove(Swarm.Dependency.self, object.id) }
        for object in view.networks.sorted { remove(Swarm.Network.self, object.id) }
        for object in view.nodes.sorted { remove(Swarm.Node.self, object.id) }
        for object in view.clusters.sorted { remove(Swarm.Cluster.self, object.id) }
    }

    /// What the transaction changed, in a stable order; what it undid again is not among it.
    var changes: [StoreChange] {
        changed.values.filter { $0.before != nil || $0.after != nil }
            .sorted { ($0.kind.rawValue, $0.id) < ($1.kind.rawValue, $1.id) }
    }

    private mutating func put<Object: StoredObject>(_ object: Object, before: Object?) {
        var object = object
        object.meta.version = version
        object.meta.updatedAt = now
        view.set(object, at: object.id, was: before)
        note(Object.kind, object.id, before: before?.boxed, after: object.boxed)
    }

    private mutating func note(_ kind: StoreKind, _ id: Swarm.ID, before: StoreObject?, after: StoreObject?) {
        let key = Key(kind: kind, id: id)
        if changed[key] == nil {
            changed[key] = StoreChange(kind: kind, id: id, before: before, after: after)
        } else {
            changed[key]?.after = after
        }
    }
}
