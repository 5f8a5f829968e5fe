import CausewayModel

extension Engine {
    /// A service (`GET /services/{id}`).
    struct Service: Encodable {
        struct Endpoint: Encodable {
            struct VirtualIP: Encodable {
                var networkID: String
                var address: String

                enum CodingKeys: String, CodingKey {
                    case networkID = "NetworkID"
                    case address = "Addr"
                }
            }

            var spec: Swarm.EndpointSpec
            var ports: [Swarm.PortConfig]?
            var virtualIPs: [VirtualIP]?

            enum CodingKeys: String, CodingKey {
                case spec = "Spec"
                case ports = "Ports"
                case virtualIPs = "VirtualIPs"
            }
        }

        /// How many tasks run, of how many (`?status=true`); only in lists, where it is added to the rest.
        struct Status {
            var running: Int
            var desired: Int
            var completed = 0

            /// As the member of the service's object.
            var member: String {
                #""ServiceStatus":{"CompletedTasks":\#(completed),"DesiredTasks":\#(desired),"RunningTasks":\#(running)}"#
            }
        }

        var id: String
        var version: Swarm.Version
        var createdAt: Timestamp
        var updatedAt: Timestamp
        var spec: Swarm.ServiceSpec
        var previousSpec: Swarm.ServiceSpec?
        var endpoint: Endpoint
        var updateStatus: Swarm.UpdateStatus?
        var jobStatus: Swarm.JobStatus?

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case version = "Version"
            case createdAt = "CreatedAt"
            case updatedAt = "UpdatedAt"
            case spec = "Spec"
            case previousSpec = "PreviousSpec"
            case endpoint = "Endpoint"
            case updateStatus = "UpdateStatus"
            case jobStatus = "JobStatus"
        }

        init(_ service: Swarm.Service, insertsDefaults: Bool = false) {
            id = service.id
            version = service.meta.version
            createdAt = service.meta.createdAt
            updatedAt = service.meta.updatedAt
            spec = ServiceDefaults.shown(service.spec, insertsAll: insertsDefaults)
            previousSpec = service.previousSpec.map { ServiceDefaults.shown($0, insertsAll: false) }
            endpoint = Endpoint(service.endpoint, spec: service.spec.endpointSpec)
            updateStatus = service.updateStatus
            jobStatus = service.jobStatus
        }
    }
}

extension Engine.Service.Endpoint {
    init(_ endpoint: Swarm.Endpoint, spec: Swarm.EndpointSpec?) {
        self.spec = spec ?? Swarm.EndpointSpec(mode: endpoint.mode)
        if self.spec.mode == nil { self.spec.mode = endpoint.mode }
        ports = endpoint.ports.isEmpty ? nil : endpoint.ports
        // Docker has one entry for each network; a network with IPv6 has a second one here.
        let addresses = endpoint.virtualIPs.flatMap { vip in
            vip.addresses.map { VirtualIP(networkID: vip.networkID, address: $0.description) }
        }
        virtualIPs = addresses.isEmpty ? nil : addresses
        // What has neither was never given anything: Docker shows nothing of it.
        if ports == nil, virtualIPs == nil { self.spec = Swarm.EndpointSpec() }
    }
}

extension Engine.Service.Status {
    /// Counts a service's tasks, as far as their nodes are not `down`; of a job, those of its present iteration.
    ///
    /// Of a job, tasks that have completed are wanted no more.
    init(of service: Swarm.Service, tasks: [Swarm.Task], down: Set<Swarm.ID>) {
        let tasks = tasks.filter { $0.jobIteration == service.jobStatus?.iteration }
        let wanted = tasks.filter { $0.desiredState == .running }
        running = wanted.count { $0.status.state == .running && !down.contains($0.nodeID ?? "") }
        completed = service.spec.mode.isJob ? tasks.count { $0.status.state == .complete } : 0
        switch service.spec.mode {
        case .replicated(let count): desired = Int(clamping: count)
        case .global: desired = wanted.count
        case .replicatedJob(let concurrent, _): desired = Int(clamping: concurrent)
        case .globalJob: desired = wanted.count { $0.status.state != .complete }
        }
    }
}

/// What Docker fills in where a client said nothing.
enum ServiceDefaults {
    /// On the way in: part of the stored specification from then on.
    static func filled(_ spec: Swarm.ServiceSpec) -> Swarm.ServiceSpec {
        var spec = spec
        spec.taskTemplate.runtime = "container"
        spec.taskTemplate.forceUpdate = spec.taskTemplate.forceUpdate ?? 0
        spec.taskTemplate.containerSpec?.isolation = "default"
        if spec.endpointSpec != nil, spec.endpointSpec?.mode == nil { spec.endpointSpec?.mode = .vip }
        for index in (spec.taskTemplate.containerSpec?.mounts ?? []).indices {
            let options = spec.taskTemplate.containerSpec?.mounts?[index].bindOptions
            guard let options, (options.propagation ?? "").isEmpty else { continue }
            spec.taskTemplate.containerSpec?.mounts?[index].bindOptions?.propagation = "rprivate"
        }
        return spec
    }

    /// On the way out.
    ///
    /// `insertsAll`: `?insertDefaults=true`: also what the orchestrator assumes.
    static func shown(_ spec: Swarm.ServiceSpec, insertsAll: Bool) -> Swarm.ServiceSpec {
        var spec = filled(spec)
        guard insertsAll else { return spec }
        if spec.taskTemplate.containerSpec?.stopGracePeriod == nil {
            spec.taskTemplate.containerSpec?.stopGracePeriod = .seconds(10)
        }
        if spec.taskTemplate.containerSpec?.dnsConfig == nil {
            spec.taskTemplate.containerSpec?.dnsConfig = Swarm.DNSConfig()
        }
        spec.taskTemplate.restartPolicy = restartPolicy(spec.taskTemplate.restartPolicy)
        spec.updateConfig = updateConfig(spec.updateConfig)
        spec.rollbackConfig = updateConfig(spec.rollbackConfig)
        return spec
    }

    private static func restartPolicy(_ given: Swarm.RestartPolicy?) -> Swarm.RestartPolicy {
        var policy = given ?? Swarm.RestartPolicy()
        policy.condition = policy.condition ?? .any
        policy.delay = policy.delay ?? .seconds(5)
        policy.maxAttempts = policy.maxAttempts ?? 0
        return policy
    }

    private static func updateConfig(_ given: Swarm.UpdateConfig?) -> Swarm.UpdateConfig {
        if let given { return given }
        var config = Swarm.UpdateConfig()
        config.parallelism = 1
        config.failureAction = "pause"
        config.monitor = .seconds(5)
        config.maxFailureRatio = 0
        config.order = "stop-first"
        return config
    }
}
