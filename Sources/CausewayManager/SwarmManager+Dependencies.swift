import CausewayModel
import CausewayStore

extension SwarmManager {
    package func dependencies(_ kind: Swarm.Dependency.Kind) async throws(SwarmError) -> [Swarm.Dependency] {
        try view().dependencies.sorted.filter { $0.kind == kind }
    }

    package func createDependency(
        _ kind: Swarm.Dependency.Kind, _ spec: Swarm.DependencySpec
    ) async throws(SwarmError) -> Swarm.Dependency {
        let id = environment.newID()
        try refuseWhileLeaving()
        return try await write { transaction throws(SwarmError) in
            try DependencyValidator(view: transaction.view).create(kind, spec)
            let meta = Swarm.Meta(createdAt: transaction.now, updatedAt: transaction.now)
            try transaction.create(Swarm.Dependency(id: id, meta: meta, kind: kind, spec: spec))
            guard let made = transaction.view.dependencies[id] else { throw Refusal.notFound("\(kind)", id) }
            return made
        }
    }

    package func updateDependency(
        _ id: Swarm.ID, _ spec: Swarm.DependencySpec, version: Swarm.Version
    ) async throws(SwarmError) {
        try await write { transaction throws(SwarmError) in
            let before = try Self.dependency(id, transaction.view)
            guard before.meta.version == version else { throw .outOfSequence }
            try transaction.update(DependencyValidator(view: transaction.view).update(before, to: spec))
        }
    }

    package func removeDependency(_ id: Swarm.ID) async throws(SwarmError) {
        try await write { transaction throws(SwarmError) in
            try DependencyValidator(view: transaction.view).remove(Self.dependency(id, transaction.view))
            transaction.remove(Swarm.Dependency.self, id)
        }
    }

    private static func dependency(_ id: Swarm.ID, _ view: StoreSnapshot) throws(SwarmError) -> Swarm.Dependency {
        guard let found = view.dependencies[id] else { throw Refusal.notFound("secret or config", id) }
        return found
    }
}
