extension Swarm {
    /// What a user wants of a service (`ServiceSpec` of the Engine API).
    package struct ServiceSpec: Hashable, Codable, Sendable {
        package var name: String
        package var labels: [String: String]
        package var taskTemplate: TaskSpec
        package var mode: ServiceMode
        package var updateConfig: UpdateConfig?
        package var rollbackConfig: UpdateConfig?
        /// Deprecated: read when the task template names no network.
        package var networks: [NetworkAttachmentConfig]?
        package var endpointSpec: EndpointSpec?

        package init(
            name: String, labels: [String: String] = [:], taskTemplate: TaskSpec, mode: ServiceMode = .replicated(1),
            updateConfig: UpdateConfig? = nil, rollbackConfig: UpdateConfig? = nil, endpointSpec: EndpointSpec? = nil
        ) {
            self.name = name
            self.labels = labels
            self.taskTemplate = taskTemplate
            self.mode = mode
            self.updateConfig = updateConfig
            self.rollbackConfig = rollbackConfig
            self.endpointSpec = endpointSpec
        }

        /// The networks that the tasks are to join, wherever the client wrote them.
        package var attachments: [NetworkAttachmentConfig] {
            if let own = taskTemplate.networks, !own.isEmpty { own } else { networks ?? [] }
        }

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case labels = "Labels"
            case taskTemplate = "TaskTemplate"
            case mode = "Mode"
            case updateConfig = "UpdateConfig"
            case rollbackConfig = "RollbackConfig"
            case networks = "Networks"
            case endpointSpec = "EndpointSpec"
        }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            name = try values.decodeIfPresent(String.self, forKey: .name) ?? ""
            labels = try values.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
            taskTemplate = try values.decodeIfPresent(TaskSpec.self, forKey: .taskTemplate) ?? TaskSpec()
            mode = try values.decodeIfPresent(ServiceMode.self, forKey: .mode) ?? .replicated(1)
            updateConfig = try values.decodeIfPresent(UpdateConfig.self, forKey: .updateConfig)
            rollbackConfig = try values.decodeIfPresent(UpdateConfig.self, forKey: .rollbackConfig)
            networks = try values.decodeIfPresent([NetworkAttachmentConfig].self, forKey: .networks)
            endpointSpec = try values.decodeIfPresent(EndpointSpec.self, forKey: .endpointSpec)
        }
    }

    package struct UpdateConfig: Hashable, Codable, Sendable {
        /// Tasks replaced at once; 0 means all.
        package var parallelism: UInt64?
        package var delay: Nanoseconds?
        package var failureAction: String?
        package var monitor: Nanoseconds?
        package var maxFailureRatio: Double?
        /// `stop-first` or `start-first`.
        package var order: String?

        package init() {}

        enum CodingKeys: String, CodingKey {
            case parallelism = "Parallelism"
            case delay = "Delay"
            case failureAction = "FailureAction"
            case monitor = "Monitor"
            case maxFailureRatio = "MaxFailureRatio"
            case order = "Order"
        }
    }

    package struct EndpointSpec: Hashable, Codable, Sendable {
        package enum Mode: String, Hashable, Codable, Sendable { case vip, dnsrr }

        package var mode: Mode?
        package var ports: [PortConfig]?

        package init(mode: Mode? = nil, ports: [PortConfig]? = nil) {
            self.mode = mode
            self.ports = ports
        }

        enum CodingKeys: String, CodingKey {
            case mode = "Mode"
            case ports = "Ports"
        }
    }

    package enum TransportProtocol: String, Hashable, Comparable, Codable, Sendable, CaseIterable {
        case tcp, udp, sctp

        /// The protocol's number in an IP header.
        package var number: UInt8 {
            switch self {
            case .tcp: 6
            case .udp: 17
            case .sctp: 132
            }
        }

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    package enum PublishMode: String, Hashable, Codable, Sendable { case ingress, host }

    /// A port of the tasks, and the port of the node under which it can be reached.
    package struct PortConfig: Hashable, Codable, Sendable {
        package var name: String?
        package var `protocol`: TransportProtocol
        package var targetPort: UInt16
        /// 0 or absent: the allocator takes one from 30000 to 32767 (mode ingress).
        package var publishedPort: UInt16?
        package var publishMode: PublishMode

        package init(
            name: String? = nil, protocol: TransportProtocol = .tcp, targetPort: UInt16, publishedPort: UInt16?,
            publishMode: PublishMode = .ingress
        ) {
            self.name = name
            self.protocol = `protocol`
            self.targetPort = targetPort
            self.publishedPort = publishedPort
            self.publishMode = publishMode
        }

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case `protocol` = "Protocol"
            case targetPort = "TargetPort"
            case publishedPort = "PublishedPort"
            case publishMode = "PublishMode"
        }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            name = try values.decodeIfPresent(String.self, forKey: .name)
            `protocol` = try values.decodeIfPresent(TransportProtocol.self, forKey: .protocol) ?? .tcp
            targetPort = try values.decodeIfPresent(UInt16.self, forKey: .targetPort) ?? 0
            publishedPort = try values.decodeIfPresent(UInt16.self, forKey: .publishedPort)
            publishMode = try values.decodeIfPresent(PublishMode.self, forKey: .publishMode) ?? .ingress
        }
    }
}
