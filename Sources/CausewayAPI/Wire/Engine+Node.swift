import CausewayModel

extension Engine {
    /// A node (`GET /nodes/{id}`).
    struct Node: Encodable {
        struct Platform: Encodable {
            var architecture: String
            var os: String

            enum CodingKeys: String, CodingKey {
                case architecture = "Architecture"
                case os = "OS"
            }
        }

        struct Resources: Encodable {
            var nanoCPUs: Int64
            var memoryBytes: Int64
            var genericResources: [Swarm.GenericResource]?

            enum CodingKeys: String, CodingKey {
                case nanoCPUs = "NanoCPUs"
                case memoryBytes = "MemoryBytes"
                case genericResources = "GenericResources"
            }
        }

        struct EngineDescription: Encodable {
            struct Plugin: Encodable {
                var type: String
                var name: String

                enum CodingKeys: String, CodingKey {
                    case type = "Type"
                    case name = "Name"
                }
            }

            var version: String
            var labels: [String: String]
            var plugins: [Plugin]

            enum CodingKeys: String, CodingKey {
                case version = "EngineVersion"
                case labels = "Labels"
                case plugins = "Plugins"
            }
        }

        struct Description: Encodable {
            var hostname: String
            var platform: Platform
            var resources: Resources
            var engine: EngineDescription
            var tls: TLS

            enum CodingKeys: String, CodingKey {
                case hostname = "Hostname"
                case platform = "Platform"
                case resources = "Resources"
                case engine = "Engine"
                case tls = "TLSInfo"
            }
        }

        struct Status: Encodable {
            var state: Swarm.Node.State
            var message: String?
            var address: IPAddress

            enum CodingKeys: String, CodingKey {
                case state = "State"
                case message = "Message"
                case address = "Addr"
            }
        }

        struct ManagerStatus: Encodable {
            var isLeader: Bool?
            var reachability: String
            var address: String

            enum CodingKeys: String, CodingKey {
                case isLeader = "Leader"
                case reachability = "Reachability"
                case address = "Addr"
            }
        }

        var id: String
        var version: Swarm.Version
        var createdAt: Timestamp
        var updatedAt: Timestamp
        var spec: Swarm.Node.Spec
        var description: Description
        var status: Status
        var managerStatus: ManagerStatus?

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case version = "Version"
            case createdAt = "CreatedAt"
            case updatedAt = "UpdatedAt"
            case spec = "Spec"
            case description = "Description"
            case status = "Status"
            case managerStatus = "ManagerStatus"
        }

        init(_ node: Swarm.Node, cluster: Swarm.Cluster) {
            id = node.id
            version = node.meta.version
            createdAt = node.meta.createdAt
            updatedAt = node.meta.updatedAt
            spec = node.spec
            description = Description(node.description, tls: TLS(node, cluster))
            status = Status(
                state: node.state, message: node.message.isEmpty ? nil : node.message, address: node.address)
            guard node.spec.role == .manager else { return }
            managerStatus = ManagerStatus(
                isLeader: node.isLeader ? true : nil,
                reachability: node.state == .ready ? "reachable" : "unreachable",
                address: cluster.managerAddress(node.address))
        }
    }
}

extension Engine.Node.Description {
    init(_ description: Swarm.Node.Description, tls: Engine.TLS) {
        hostname = description.hostname
        platform = Engine.Node.Platform(architecture: description.architecture, os: description.os)
        resources = Engine.Node.Resources(
            nanoCPUs: description.nanoCPUs, memoryBytes: description.memoryBytes,
            genericResources: description.genericResources)
        engine = Engine.Node.EngineDescription(
            version: description.engineVersion, labels: description.engineLabels,
            plugins: Self.plugins(description.plugins ?? [:]))
        self.tls = tls
    }

    /// The engine's own, and the driver of our networks, by kind and name.
    private static func plugins(_ given: [String: [String]]) -> [Engine.Node.EngineDescription.Plugin] {
        var given = given
        if given["Network"]?.contains("overlay") != true { given["Network", default: []].append("overlay") }
        if given["Volume"] == nil { given["Volume"] = ["local"] }
        return given.sorted { $0.key < $1.key }.flatMap { type, names in
            names.sorted().map { .init(type: type, name: $0) }
        }
    }
}
