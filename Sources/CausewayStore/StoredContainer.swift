import CausewayModel

/// A user's container on networks of ours, as the store keeps it.
package struct StoredContainer: Hashable, Codable, Sendable, Identifiable {
    package var meta: Swarm.Meta
    package var container: AttachedContainer

    package var id: Swarm.ID { container.id }

    package init(_ container: AttachedContainer) {
        meta = Swarm.Meta(createdAt: container.createdAt, updatedAt: container.createdAt)
        self.container = container
    }
}

extension StoredContainer: StoredObject {
    package static var kind: StoreKind { .container }
    package var boxed: StoreObject { .container(self) }
    package static func table(of snapshot: StoreSnapshot) -> StoreTable<Self> { snapshot.containers }
    package static func edit(_ snapshot: inout StoreSnapshot, _ body: (inout StoreTable<Self>) -> Void) {
        body(&snapshot.containers)
    }
}
