extension Swarm {
    /// A service as it is stored and shown.
    package struct Service: Hashable, Codable, Sendable, Identifiable {
        package var id: ID
        package var meta: Meta
        package var spec: ServiceSpec
        package var previousSpec: ServiceSpec?
        /// Rises with each change of the spec; tasks carry the one that they were made from.
        package var specVersion: Version
        package var endpoint: Endpoint
        package var updateStatus: UpdateStatus?
        /// For pulling the image of the specification, and of the previous one.
        package var pullCredentials: PullCredentials?
        package var previousPullCredentials: PullCredentials?
        /// Of jobs only.
        package var jobStatus: JobStatus?
        /// Set once the user has removed the service; its tasks leave, then it does.
        package var isPendingDelete: Bool
        /// What the allocator could not give, in words for the user; empty when all was given.
        package var allocationError: String?

        package init(id: ID, meta: Meta, spec: ServiceSpec) {
            self.id = id
            self.meta = meta
            self.spec = spec
            specVersion = meta.version
            endpoint = Endpoint()
            jobStatus = spec.mode.isJob ? JobStatus(lastExecution: meta.createdAt) : nil
            isPendingDelete = false
        }
    }

    /// What the allocator gave a service.
    package struct Endpoint: Hashable, Codable, Sendable {
        package struct VirtualIP: Hashable, Codable, Sendable {
            package var networkID: ID
            /// The address with its subnet's prefix length; one for each family that the network has.
            package var addresses: [CIDR]

            package init(networkID: ID, addresses: [CIDR]) {
                self.networkID = networkID
                self.addresses = addresses
            }
        }

        package var mode: EndpointSpec.Mode
        /// The ports with their published port filled in, in the order of the spec.
        package var ports: [PortConfig]
        package var virtualIPs: [VirtualIP]

        package init(mode: EndpointSpec.Mode = .vip, ports: [PortConfig] = [], virtualIPs: [VirtualIP] = []) {
            self.mode = mode
            self.ports = ports
            self.virtualIPs = virtualIPs
        }
    }

    package struct UpdateStatus: Hashable, Codable, Sendable {
        package var state: String?
        package var startedAt: Timestamp?
        package var completedAt: Timestamp?
        package var message: String?

        package init(
            state: String? = nil, startedAt: Timestamp? = nil, completedAt: Timestamp? = nil, message: String? = nil
        ) {
            self.state = state
            self.startedAt = startedAt
            self.completedAt = completedAt
            self.message = message
        }

        enum CodingKeys: String, CodingKey {
            case state = "State"
            case startedAt = "StartedAt"
            case completedAt = "CompletedAt"
            case message = "Message"
        }
    }
}
