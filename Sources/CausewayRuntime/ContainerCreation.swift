import CausewayModel

/// The body of `POST /containers/create` for a task: every field that its specification acts on, in Docker's shape.
struct ContainerCreation: Encodable, Hashable, Sendable {
    var image: String
    var labels: [String: String]
    var entrypoint: [String]?
    var command: [String]?
    var environment: [String]?
    var workingDirectory: String?
    var user: String?
    var hostname: String?
    var isTTY: Bool?
    var opensStdin: Bool?
    var stopSignal: String?
    /// Whole seconds.
    var stopTimeout: Int64
    var healthcheck: Swarm.HealthConfig?
    var host: Host

    enum CodingKeys: String, CodingKey {
        case image = "Image"
        case labels = "Labels"
        case entrypoint = "Entrypoint"
        case command = "Cmd"
        case environment = "Env"
        case workingDirectory = "WorkingDir"
        case user = "User"
        case hostname = "Hostname"
        case isTTY = "Tty"
        case opensStdin = "OpenStdin"
        case stopSignal = "StopSignal"
        case stopTimeout = "StopTimeout"
        case healthcheck = "Healthcheck"
        case host = "HostConfig"
    }

    /// `HostConfig`.
    struct Host: Encodable, Hashable, Sendable {
        struct LogConfig: Encodable, Hashable, Sendable {
            var type: String
            var config: [String: String]

            enum CodingKeys: String, CodingKey {
                case type = "Type"
                case config = "Config"
            }
        }

        let networkMode = "none"
        var runtime: String
        var groups: [String]?
        var isReadOnly: Bool?
        var `init`: Bool?
        var isolation: String?
        var mounts: [Swarm.Mount]
        var dns: [String]
        var dnsOptions: [String]
        var dnsSearch: [String]?
        var sysctls: [String: String]?
        var addedCapabilities: [String]?
        var droppedCapabilities: [String]?
        var ulimits: [Swarm.Ulimit]?
        var nanoCPUs: Int64?
        var memory: Int64?
        var memoryReservation: Int64?
        var pidsLimit: Int64?
        var log: LogConfig?
        var securityOptions: [String]?
        var oomScoreAdjustment: Int64?

        enum CodingKeys: String, CodingKey {
            case networkMode = "NetworkMode"
            case runtime = "Runtime"
            case groups = "GroupAdd"
            case isReadOnly = "ReadonlyRootfs"
            case `init` = "Init"
            case isolation = "Isolation"
            case mounts = "Mounts"
            case dns = "Dns"
            case dnsOptions = "DnsOptions"
            case dnsSearch = "DnsSearch"
            case sysctls = "Sysctls"
            case addedCapabilities = "CapAdd"
            case droppedCapabilities = "CapDrop"
            case ulimits = "Ulimits"
            case nanoCPUs = "NanoCpus"
            case memory = "Memory"
            case memoryReservation = "MemoryReservation"
            case pidsLimit = "PidsLimit"
            case log = "LogConfig"
            case securityOptions = "SecurityOpt"
            case oomScoreAdjustment = "OomScoreAdj"
        }
    }
}

extension ContainerCreation {
    /// `image` is what the engine knows the task's image by; `hostsFile` is mounted on `/etc/hosts`, unless the user
    /// mounts something there.
    ///
    /// Throws when a template in the specification cannot be filled in.
    init(
        task: Swarm.Task, spec: Swarm.ContainerSpec, image: String, runtime: String, hostsFile: String,
        nodeHostname: String
    ) throws(TaskTemplate.Failure) {
        let spec = try TaskTemplate(task: task, nodeHostname: nodeHostname).filled(spec)
        self.image = image
        labels = Self.labels(of: task, adding: spec.labels ?? [:])
        entrypoint = spec.command
        command = spec.args
        environment = spec.env
        if let given = task.genericResources { environment = (environment ?? []) + Self.environment(of: given) }
        workingDirectory = spec.dir
        user = spec.user
        hostname = spec.hostname
        isTTY = spec.tty
        opensStdin = spec.openStdin
        stopSignal = spec.stopSignal
        stopTimeout = (spec.stopGracePeriod ?? .seconds(10)).wholeSeconds
        healthcheck = spec.healthcheck
        host = Host(spec: spec, task: task.spec, runtime: runtime)
        host.mounts = spec.mounts ?? []
        if !host.mounts.contains(where: { $0.target == "/etc/hosts" }) { host.mounts.append(.hosts(hostsFile)) }
    }

    /// `DOCKER_RESOURCE_GPU=UUID1,UUID2`, as Swarm says it.
    private static func environment(of resources: [Swarm.GenericResource]) -> [String] {
        Dictionary(grouping: resources, by: \.kind).sorted { $0.key < $1.key }.map { kind, resources in
            "DOCKER_RESOURCE_\(kind)".uppercased() + "=" + resources.map(\.text).joined(separator: ",")
        }
    }

    /// Swarm's own labels win over the user's.
    private static func labels(of task: Swarm.Task, adding user: [String: String]) -> [String: String] {
        let own = [
            Label.nodeID: task.nodeID ?? "", Label.serviceID: task.serviceID, Label.serviceName: task.serviceName,
            Label.task: "", Label.taskID: task.id, Label.taskName: task.name,
        ]
        return user.merging(own) { _, own in own }
    }

    enum Label {
        static let nodeID = "com.docker.swarm.node.id"
        static let serviceID = "com.docker.swarm.service.id"
        static let serviceName = "com.docker.swarm.service.name"
        static let task = "com.docker.swarm.task"
        static let taskID = "com.docker.swarm.task.id"
        static let taskName = "com.docker.swarm.task.name"
    }
}

extension ContainerCreation.Host {
    /// Names are asked of Causeway's resolver only; the user's name servers are that one's upstreams.
    fileprivate init(spec: Swarm.ContainerSpec, task: Swarm.TaskSpec, runtime: String) {
        self.runtime = runtime
        groups = spec.groups
        isReadOnly = spec.readOnly
        `init` = spec.`init`
        isolation = spec.isolation
        mounts = []
        dns = ["127.0.0.11"]
        let options = spec.dnsConfig?.options ?? []
        dnsOptions = options.contains { $0.hasPrefix("ndots:") } ? options : options + ["ndots:0"]
        dnsSearch = spec.dnsConfig?.search
        sysctls = spec.sysctls
        addedCapabilities = spec.capabilityAdd
        droppedCapabilities = spec.capabilityDrop
        ulimits = spec.ulimits
        let limits = task.resources?.limits
        nanoCPUs = limits?.nanoCPUs
        memory = limits?.memoryBytes
        pidsLimit = limits?.pids
        memoryReservation = task.resources?.reservations?.memoryBytes
        let security = spec.privileges?.securityOptions ?? []
        securityOptions = security.isEmpty ? nil : security
        oomScoreAdjustment = spec.oomScoreAdjustment
        log = task.logDriver.map { LogConfig(type: $0.name ?? "", config: $0.options ?? [:]) }
    }
}

extension Swarm.Mount {
    fileprivate static func hosts(_ file: String) -> Swarm.Mount {
        Swarm.Mount(type: "bind", source: file, target: "/etc/hosts")
    }
}

extension Nanoseconds {
    /// Rounded up, so that a task never has less time than it was promised.
    var wholeSeconds: Int64 { max(0, rawValue / 1_000_000_000 + (rawValue % 1_000_000_000 > 0 ? 1 : 0)) }
}
