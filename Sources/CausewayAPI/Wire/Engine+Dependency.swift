import CausewayModel

extension Engine {
    /// A secret or a config (`GET /secrets/{id}`, `GET /configs/{id}`).
    ///
    /// A secret's content is in no answer.
    struct Dependency: Encodable {
        var id: String
        var version: Swarm.Version
        var createdAt: Timestamp
        var updatedAt: Timestamp
        var spec: Swarm.DependencySpec

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case version = "Version"
            case createdAt = "CreatedAt"
            case updatedAt = "UpdatedAt"
            case spec = "Spec"
        }

        init(_ dependency: Swarm.Dependency) {
            id = dependency.id
            version = dependency.meta.version
            createdAt = dependency.meta.createdAt
            updatedAt = dependency.meta.updatedAt
            spec = dependency.spec
            spec.labels = spec.labels ?? [:]
            if dependency.kind == .secret { spec.data = nil }
        }
    }
}
