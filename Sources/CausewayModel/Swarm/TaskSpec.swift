extension Swarm {
    /// What a user wants of each task of a service (`TaskSpec` of the Engine API).
    package struct TaskSpec: Hashable, Codable, Sendable {
        package var containerSpec: ContainerSpec?
        package var resources: ResourceRequirements?
        package var restartPolicy: RestartPolicy?
        package var placement: Placement?
        package var networks: [NetworkAttachmentConfig]?
        package var logDriver: LogDriver?
        package var forceUpdate: UInt64?
        package var runtime: String?

        package init(containerSpec: ContainerSpec? = nil) { self.containerSpec = containerSpec }

        enum CodingKeys: String, CodingKey {
            case containerSpec = "ContainerSpec"
            case resources = "Resources"
            case restartPolicy = "RestartPolicy"
            case placement = "Placement"
            case networks = "Networks"
            case logDriver = "LogDriver"
            case forceUpdate = "ForceUpdate"
            case runtime = "Runtime"
        }
    }

    package struct NetworkAttachmentConfig: Hashable, Codable, Sendable {
        /// A network's identifier once the service is stored; a name is allowed on the way in.
        package var target: String
        package var aliases: [String]?
        package var driverOpts: [String: String]?

        package init(target: String, aliases: [String]? = nil) {
            self.target = target
            self.aliases = aliases
        }

        enum CodingKeys: String, CodingKey {
            case target = "Target"
            case aliases = "Aliases"
            case driverOpts = "DriverOpts"
        }
    }

    package struct RestartPolicy: Hashable, Codable, Sendable {
        package enum Condition: String, Hashable, Codable, Sendable {
            case none
            case onFailure = "on-failure"
            case any
        }

        package var condition: Condition?
        package var delay: Nanoseconds?
        /// 0 means without limit.
        package var maxAttempts: UInt64?
        /// Attempts older than this do not count; 0 means that all do.
        package var window: Nanoseconds?

        package init(
            condition: Condition? = nil, delay: Nanoseconds? = nil, maxAttempts: UInt64? = nil,
            window: Nanoseconds? = nil
        ) {
            self.condition = condition
            self.delay = delay
            self.maxAttempts = maxAttempts
            self.window = window
        }

        enum CodingKeys: String, CodingKey {
            case condition = "Condition"
            case delay = "Delay"
            case maxAttempts = "MaxAttempts"
            case window = "Window"
        }
    }

    package struct ResourceRequirements: Hashable, Codable, Sendable {
        package struct Quantity: Hashable, Codable, Sendable {
            /// Billionths of a CPU.
            package var nanoCPUs: Int64?
            package var memoryBytes: Int64?
            package var pids: Int64?
            /// Of reservations only; a number of a kind, never a name.
            package var genericResources: [GenericResource]?

            package init() {}

            enum CodingKeys: String, CodingKey {
                case nanoCPUs = "NanoCPUs"
                case memoryBytes = "MemoryBytes"
                case pids = "Pids"
                case genericResources = "GenericResources"
            }
        }

        package var limits: Quantity?
        package var reservations: Quantity?

        package init() {}

        enum CodingKeys: String, CodingKey {
            case limits = "Limits"
            case reservations = "Reservations"
        }
    }

    package struct Placement: Hashable, Codable, Sendable {
        package struct Platform: Hashable, Codable, Sendable {
            package var architecture: String?
            package var os: String?

            enum CodingKeys: String, CodingKey {
                case architecture = "Architecture"
                case os = "OS"
            }
        }

        /// Tasks are spread evenly over the values of a label: `node.labels.KEY` or `engine.labels.KEY`.
        package struct Preference: Hashable, Codable, Sendable {
            package struct Spread: Hashable, Codable, Sendable {
                package var descriptor: String?

                package init(descriptor: String) { self.descriptor = descriptor }

                enum CodingKeys: String, CodingKey { case descriptor = "SpreadDescriptor" }
            }

            package var spread: Spread?

            package init(spread descriptor: String) { spread = Spread(descriptor: descriptor) }

            enum CodingKeys: String, CodingKey { case spread = "Spread" }
        }

        package var constraints: [String]?
        /// The first divides the tasks, the next each part of them.
        package var preferences: [Preference]?
        package var platforms: [Platform]?
        package var maxReplicas: UInt64?

        package init() {}

        enum CodingKeys: String, CodingKey {
            case constraints = "Constraints"
            case preferences = "Preferences"
            case platforms = "Platforms"
            case maxReplicas = "MaxReplicas"
        }
    }

    package struct LogDriver: Hashable, Codable, Sendable {
        package var name: String?
        package var options: [String: String]?

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case options = "Options"
        }
    }
}
