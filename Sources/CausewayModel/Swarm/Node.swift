extension Swarm {
    /// A host of the cluster.
    package struct Node: Hashable, Codable, Sendable, Identifiable {
        package enum Role: String, Hashable, Codable, Sendable { case worker, manager }

        package enum Availability: String, Hashable, Codable, Sendable { case active, pause, drain }

        package enum State: String, Hashable, Codable, Sendable { case unknown, down, ready, disconnected }

        package struct Spec: Hashable, Codable, Sendable {
            package var name: String?
            package var labels: [String: String]
            package var role: Role
            package var availability: Availability

            package init(role: Role = .worker, availability: Availability = .active, labels: [String: String] = [:]) {
                self.role = role
                self.availability = availability
                self.labels = labels
            }

            enum CodingKeys: String, CodingKey {
                case name = "Name"
                case labels = "Labels"
                case role = "Role"
                case availability = "Availability"
            }
        }

        /// What the node said of itself.
        package struct Description: Hashable, Codable, Sendable {
            package var hostname: String
            /// As `uname -m` says it: `x86_64`.
            package var architecture: String
            package var os: String
            package var nanoCPUs: Int64
            package var memoryBytes: Int64
            package var engineVersion: String
            package var engineLabels: [String: String]
            /// Docker Engine's log, network and volume drivers, by kind: `Log`, `Network`, `Volume`.
            ///
            /// Absent: the node is of a release that did not say.
            package var plugins: [String: [String]]?
            /// As Docker Engine's `node-generic-resources` has them.
            package var genericResources: [GenericResource]?

            package init(
                hostname: String, architecture: String, os: String = "linux", nanoCPUs: Int64, memoryBytes: Int64,
                engineVersion: String, engineLabels: [String: String] = [:]
            ) {
                self.hostname = hostname
                self.architecture = architecture
                self.os = os
                self.nanoCPUs = nanoCPUs
                self.memoryBytes = memoryBytes
                self.engineVersion = engineVersion
                self.engineLabels = engineLabels
            }
        }

        package var id: ID
        package var meta: Meta
        /// 1 to 4094, never given twice in the life of the cluster; the data path derives addresses from it.
        package var number: Int
        package var spec: Spec
        package var description: Description
        package var state: State
        package var message: String
        /// Where the cluster reaches it.
        package var address: IPAddress
        /// Where its tunnel packets go to and come from; absent: ``address``.
        package var dataAddress: IPAddress?
        package var isLeader: Bool
        /// It has left by its own will: nobody's peer any more, kept for those who look.
        package var hasLeft: Bool?
        /// Its certificate is of the root that is being replaced.
        package var hasFormerRoot: Bool?
        /// Destinations of its routes that are not ours: no subnet may overlap them.
        package var routes: [CIDR]?
        /// The addresses of its balancers, one on each classic network that it needs; absent: none.
        package var balancers: [NetworkAttachment]?

        package init(
            id: ID, meta: Meta, number: Int, spec: Spec, description: Description, state: State, address: IPAddress,
            isLeader: Bool
        ) {
            self.id = id
            self.meta = meta
            self.number = number
            self.spec = spec
            self.description = description
            self.state = state
            message = ""
            self.address = address
            self.isLeader = isLeader
        }
    }
}
