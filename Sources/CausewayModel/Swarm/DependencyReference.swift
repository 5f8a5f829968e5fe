extension Swarm {
    /// The file that a secret or a config is to be in a container.
    package struct FileTarget: Hashable, Codable, Sendable {
        /// Relative to `/run/secrets` (a secret) or `/` (a config), or absolute.
        package var name: String?
        /// A number; absent: 0.
        package var uid: String?
        package var gid: String?
        /// The permission bits.
        package var mode: UInt32?

        package init(name: String, uid: String = "0", gid: String = "0", mode: UInt32 = 0o444) {
            self.name = name
            self.uid = uid
            self.gid = gid
            self.mode = mode
        }

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case uid = "UID"
            case gid = "GID"
            case mode = "Mode"
        }
    }

    /// A secret that a service's tasks use (`SecretReference` of the Engine API).
    package struct SecretReference: Hashable, Codable, Sendable {
        package var file: FileTarget?
        package var secretID: ID?
        package var secretName: String?

        package init(_ id: ID, name: String, file: FileTarget) {
            self.file = file
            secretID = id
            secretName = name
        }

        enum CodingKeys: String, CodingKey {
            case file = "File"
            case secretID = "SecretID"
            case secretName = "SecretName"
        }
    }

    /// A config that a service's tasks use (`ConfigReference` of the Engine API).
    package struct ConfigReference: Hashable, Codable, Sendable {
        package var file: FileTarget?
        package var configID: ID?
        package var configName: String?

        package init(_ id: ID, name: String, file: FileTarget) {
            self.file = file
            configID = id
            configName = name
        }

        enum CodingKeys: String, CodingKey {
            case file = "File"
            case configID = "ConfigID"
            case configName = "ConfigName"
        }
    }

    /// A secret or a config that a service's tasks use, whichever it is.
    package struct DependencyReference: Hashable, Sendable {
        package var kind: Dependency.Kind
        package var id: ID
        package var name: String
        package var file: FileTarget?

        /// Where it is in the container.
        package var path: String {
            let name = file?.name ?? ""
            if name.hasPrefix("/") { return name }
            return kind == .secret ? "/run/secrets/\(name)" : "/\(name)"
        }
    }
}

extension Swarm.ContainerSpec {
    /// Every secret and config that is used, secrets first.
    package var dependencies: [Swarm.DependencyReference] {
        (secrets ?? []).map { .init(kind: .secret, id: $0.secretID ?? "", name: $0.secretName ?? "", file: $0.file) }
            + (configs ?? []).map {
                .init(kind: .config, id: $0.configID ?? "", name: $0.configName ?? "", file: $0.file)
            }
    }
}
