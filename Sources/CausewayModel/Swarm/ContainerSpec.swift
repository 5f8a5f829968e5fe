extension Swarm {
    /// What a user wants of a task's container (`ContainerSpec` of the Engine API).
    package struct ContainerSpec: Hashable, Codable, Sendable {
        package var image: String
        package var labels: [String: String]?
        /// Docker's entrypoint.
        package var command: [String]?
        /// Docker's command.
        package var args: [String]?
        package var hostname: String?
        package var env: [String]?
        package var dir: String?
        package var user: String?
        package var groups: [String]?
        package var tty: Bool?
        package var openStdin: Bool?
        package var readOnly: Bool?
        package var `init`: Bool?
        package var stopSignal: String?
        package var stopGracePeriod: Nanoseconds?
        package var mounts: [Mount]?
        /// Lines of /etc/hosts: `ADDRESS NAME [NAME …]`.
        package var hosts: [String]?
        package var dnsConfig: DNSConfig?
        package var isolation: String?
        package var sysctls: [String: String]?
        package var capabilityAdd: [String]?
        package var capabilityDrop: [String]?
        package var ulimits: [Ulimit]?
        package var healthcheck: HealthConfig?
        package var secrets: [SecretReference]?
        package var configs: [ConfigReference]?
        package var privileges: Privileges?
        /// -1000 to 1000: how soon the kernel ends the container when memory is short.
        package var oomScoreAdjustment: Int64?

        package init(image: String) { self.image = image }

        enum CodingKeys: String, CodingKey {
            case image = "Image"
            case labels = "Labels"
            case command = "Command"
            case args = "Args"
            case hostname = "Hostname"
            case env = "Env"
            case dir = "Dir"
            case user = "User"
            case groups = "Groups"
            case tty = "TTY"
            case openStdin = "OpenStdin"
            case readOnly = "ReadOnly"
            case `init` = "Init"
            case stopSignal = "StopSignal"
            case stopGracePeriod = "StopGracePeriod"
            case mounts = "Mounts"
            case hosts = "Hosts"
            case dnsConfig = "DNSConfig"
            case isolation = "Isolation"
            case sysctls = "Sysctls"
            case capabilityAdd = "CapabilityAdd"
            case capabilityDrop = "CapabilityDrop"
            case ulimits = "Ulimits"
            case healthcheck = "Healthcheck"
            case secrets = "Secrets"
            case configs = "Configs"
            case privileges = "Privileges"
            case oomScoreAdjustment = "OomScoreAdj"
        }
    }

    package struct DNSConfig: Hashable, Codable, Sendable {
        package var nameservers: [String]?
        package var search: [String]?
        package var options: [String]?

        package init() {}

        enum CodingKeys: String, CodingKey {
            case nameservers = "Nameservers"
            case search = "Search"
            case options = "Options"
        }
    }

    package struct Ulimit: Hashable, Codable, Sendable {
        package var name: String
        package var soft: Int64
        package var hard: Int64

        enum CodingKeys: String, CodingKey {
            case name = "Name"
            case soft = "Soft"
            case hard = "Hard"
        }
    }

    /// A mount of a task: bind, volume or tmpfs.
    ///
    /// Docker Engine's `HostConfig.Mounts` takes it as it is.
    package struct Mount: Hashable, Codable, Sendable {
        package struct BindOptions: Hashable, Codable, Sendable {
            package var propagation: String?
            package var nonRecursive: Bool?

            enum CodingKeys: String, CodingKey {
                case propagation = "Propagation"
                case nonRecursive = "NonRecursive"
            }
        }

        package struct VolumeOptions: Hashable, Codable, Sendable {
            package struct DriverConfig: Hashable, Codable, Sendable {
                package var name: String?
                package var options: [String: String]?

                enum CodingKeys: String, CodingKey {
                    case name = "Name"
                    case options = "Options"
                }
            }

            package var noCopy: Bool?
            package var labels: [String: String]?
            package var driverConfig: DriverConfig?

            package init(labels: [String: String]? = nil) { self.labels = labels }

            enum CodingKeys: String, CodingKey {
                case noCopy = "NoCopy"
                case labels = "Labels"
                case driverConfig = "DriverConfig"
            }
        }

        package struct TmpfsOptions: Hashable, Codable, Sendable {
            package var sizeBytes: Int64?
            package var mode: UInt32?

            enum CodingKeys: String, CodingKey {
                case sizeBytes = "SizeBytes"
                case mode = "Mode"
            }
        }

        package var type: String?
        package var source: String?
        package var target: String
        package var readOnly: Bool?
        package var consistency: String?
        package var bindOptions: BindOptions?
        package var volumeOptions: VolumeOptions?
        package var tmpfsOptions: TmpfsOptions?

        package init(type: String? = nil, source: String? = nil, target: String) {
            self.type = type
            self.source = source
            self.target = target
        }

        enum CodingKeys: String, CodingKey {
            case type = "Type"
            case source = "Source"
            case target = "Target"
            case readOnly = "ReadOnly"
            case consistency = "Consistency"
            case bindOptions = "BindOptions"
            case volumeOptions = "VolumeOptions"
            case tmpfsOptions = "TmpfsOptions"
        }
    }
}
