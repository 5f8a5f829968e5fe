import CausewayModel

/// The kinds of objects that a store holds; the raw value is the word on disk and never changes.
package enum StoreKind: String, Hashable, Sendable, CaseIterable {
    case cluster, node, network, service, task, container, dependency
}

/// What a store can hold: it has an identifier, a version and a table of its own.
package protocol StoredObject: Codable, Hashable, Sendable, Identifiable where ID == Swarm.ID {
    static var kind: StoreKind { get }

    var meta: Swarm.Meta { get set }

    /// The object as one of all kinds.
    var boxed: StoreObject { get }

    /// The table of this kind in a snapshot.
    static func table(of snapshot: StoreSnapshot) -> StoreTable<Self>

    /// Edits the table of this kind in a snapshot.
    static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void)
}

/// An object of any kind, for events.
package enum StoreObject: Hashable, Sendable {
    case cluster(Swarm.Cluster)
    case node(Swarm.Node)
    case network(Swarm.Network)
    case service(Swarm.Service)
    case task(Swarm.Task)
    case container(StoredContainer)
    case dependency(Swarm.Dependency)
}

extension Swarm.Cluster: StoredObject {
    package static var kind: StoreKind { .cluster }
    package var boxed: StoreObject { .cluster(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.clusters }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.clusters)
    }
}

extension Swarm.Node: StoredObject {
    package static var kind: StoreKind { .node }
    package var boxed: StoreObject { .node(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.nodes }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.nodes)
    }
}

extension Swarm.Network: StoredObject {
    package static var kind: StoreKind { .network }
    package var boxed: StoreObject { .network(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.networks }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.networks)
    }
}

extension Swarm.Service: StoredObject {
    package static var kind: StoreKind { .service }
    package var boxed: StoreObject { .service(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.services }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.services)
    }
}

extension Swarm.Task: StoredObject {
    package static var kind: StoreKind { .task }
    package var boxed: StoreObject { .task(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.tasks }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.tasks)
    }
}

extension Swarm.Dependency: StoredObject {
    package static var kind: StoreKind { .dependency }
    package var boxed: StoreObject { .dependency(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.dependencies }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.dependencies)
    }
}
