extension Swarm {
    /// A secret or a config: content that tasks find in a file (swarmkit's word for both).
    ///
    /// The content never changes; another one is another object.
    package struct Dependency: Hashable, Codable, Sendable, Identifiable {
        package enum Kind: String, Hashable, Codable, Sendable, CaseIterable { case secret, config }

        package var id: ID
        package var meta: Meta
        package var kind: Kind
        package var spec: DependencySpec

        package init(id: ID, meta: Meta, kind: Kind, spec: DependencySpec) {
            self.id = id
            self.meta = meta
            self.kind = kind
            self.spec = spec
        }
    }

    /// `SecretSpec` and `ConfigSpec` of the Engine API.
    package struct DependencySpec: Hashable, Codable, Sendable {
        package var name: String?
        package var labels: [String: String]?
        package var data: Payload?
        /// The content is a template, filled in for each task.
        package var templating: TemplateDriver?

        package init(
            name: String, labels: [String: String]? = nil, data: Payload?, templating: TemplateDriver? = nil
        ) {
            self.name = name
            self.labels = labels
            self.data = data
            self.templating = templating
        }

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case labels = "Labels"
            case data = "Data"
            case templating = "Templating"
        }
    }

    /// What fills in a template: `golang` is the only one there is.
    package struct TemplateDriver: Hashable, Codable, Sendable {
        package static let golang = "golang"

        package var name: String?
        package var options: [String: String]?

        package init(name: String) { self.name = name }

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case options = "Options"
        }
    }

    /// A secret or a config as a node gets it that has a task which uses it.
    package struct AssignedDependency: Hashable, Codable, Sendable, Identifiable {
        package var id: ID
        package var kind: Dependency.Kind
        package var payload: Payload
        package var isTemplate: Bool

        package init(id: ID, kind: Dependency.Kind, payload: Payload, isTemplate: Bool = false) {
            self.id = id
            self.kind = kind
            self.payload = payload
            self.isTemplate = isTemplate
        }
    }
}

extension Swarm.Dependency {
    package var name: String { spec.name ?? "" }

    package var assigned: Swarm.AssignedDependency {
        Swarm.AssignedDependency(
            id: id, kind: kind, payload: spec.data ?? Swarm.Payload(""), isTemplate: spec.templating != nil)
    }
}
