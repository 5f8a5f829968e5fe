extension Swarm {
    /// A network that spans the cluster.
    package struct Network: Hashable, Codable, Sendable, Identifiable {
        package var id: ID
        package var meta: Meta
        package var spec: NetworkSpec
        /// What the allocator gave, or the user asked for: at most one subnet of each family.
        package var subnets: [Subnet]
        /// The number of its tunnel between nodes; a network of data path `direct` has none of its own.
        package var tunnelIdentifier: UInt32?

        package init(id: ID, meta: Meta, spec: NetworkSpec, subnets: [Subnet] = []) {
            self.id = id
            self.meta = meta
            self.spec = spec
            self.subnets = subnets
        }

        package func subnet(_ family: IPFamily) -> Subnet? { subnets.first { $0.subnet.family == family } }
    }

    package struct Subnet: Hashable, Codable, Sendable {
        package var subnet: CIDR
        /// Reserved and shown, as Docker does; nothing answers there.
        package var gateway: IPAddress
        /// Where addresses are taken from, if not from the whole subnet.
        package var range: CIDR?

        package init(subnet: CIDR, gateway: IPAddress, range: CIDR? = nil) {
            self.subnet = subnet
            self.gateway = gateway
            self.range = range
        }
    }

    package struct NetworkSpec: Hashable, Codable, Sendable {
        package struct IPAMConfig: Hashable, Codable, Sendable {
            package var subnet: String?
            package var range: String?
            package var gateway: String?

            package init(subnet: String? = nil, range: String? = nil, gateway: String? = nil) {
                self.subnet = subnet
                self.range = range
                self.gateway = gateway
            }

            enum CodingKeys: String, CodingKey {
                case subnet = "Subnet"
                case range = "IPRange"
                case gateway = "Gateway"
            }
        }

        package var name: String
        package var labels: [String: String]
        package var options: [String: String]
        package var isInternal: Bool
        package var isAttachable: Bool
        /// The one network of the published-port mesh.
        package var isIngress: Bool
        package var enableIPv6: Bool
        package var ipam: [IPAMConfig]

        /// The option that chooses a network's data path: `direct`, or `classic`.
        package static let dataPathOption = "causeway.datapath"

        package static let dataPaths = ["direct", "classic"]

        /// The data path that it asks for, if there is none of that name.
        package var unknownDataPath: String? {
            options[Self.dataPathOption].flatMap { Self.dataPaths.contains($0) ? nil : $0 }
        }

        /// Whether it is built as Docker Swarm 20.10 builds it: with a bridge, a tunnel and IPVS of its own.
        package var isClassic: Bool { options[Self.dataPathOption] == "classic" }

        package init(name: String) {
            self.name = name
            labels = [:]
            options = [:]
            isInternal = false
            isAttachable = false
            isIngress = false
            enableIPv6 = false
            ipam = []
        }
    }
}
