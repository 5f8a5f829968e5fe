import CausewayModel

extension EngineState {
    /// A network as `docker network inspect -v` shows it.
    package struct Network: Hashable, Codable, Sendable {
        package var id: String
        package var name: String
        /// `overlay`, `bridge`, ….
        package var driver: String
        /// `swarm` or `local`.
        package var scope: String
        package var isIngress: Bool
        package var isInternal: Bool
        package var subnets: [CIDR]
        package var gateways: [IPAddress]
        /// VXLAN numbers of an overlay, one for each subnet.
        package var identifiers: [UInt32]
        package var options: [String: String]
        /// The other hosts that have a part in it, this one included, as this one knows.
        package var peers: [IPAddress]
        package var endpoints: [Endpoint]
        package var services: [NetworkService]

        package init(
            id: String, name: String, driver: String, scope: String, isIngress: Bool = false,
            isInternal: Bool = false, subnets: [CIDR] = [], gateways: [IPAddress] = [],
            identifiers: [UInt32] = [], options: [String: String] = [:], peers: [IPAddress] = [],
            endpoints: [Endpoint] = [], services: [NetworkService] = []
        ) {
            self.id = id
            self.name = name
            self.driver = driver
            self.scope = scope
            self.isIngress = isIngress
            self.isInternal = isInternal
            self.subnets = subnets
            self.gateways = gateways
            self.identifiers = identifiers
            self.options = options
            self.peers = peers
            self.endpoints = endpoints
            self.services = services
        }
    }

    /// What is on the network on this host.
    package struct Endpoint: Hashable, Codable, Sendable {
        /// A container's name, or `ingress-endpoint`, `NETWORK-endpoint` of a balancer.
        package var name: String
        /// The container's identifier, `ingress-sbox` or `lb-NETWORK`.
        package var containerID: String
        package var address: CIDR?
        package var hardwareAddress: MACAddress?

        package init(
            name: String, containerID: String, address: CIDR? = nil, hardwareAddress: MACAddress? = nil
        ) {
            self.name = name
            self.containerID = containerID
            self.address = address
            self.hardwareAddress = hardwareAddress
        }
    }

    /// A service as a network's members tell each other of it.
    package struct NetworkService: Hashable, Codable, Sendable {
        /// Empty for what belongs to no service.
        package var name: String
        package var virtualIP: IPAddress?
        /// `LocalLBIndex`: the mark by which this host balances it.
        package var mark: UInt32?
        package var ports: [Port]
        package var backends: [Backend]

        package init(
            name: String, virtualIP: IPAddress? = nil, mark: UInt32? = nil, ports: [Port] = [],
            backends: [Backend] = []
        ) {
            self.name = name
            self.virtualIP = virtualIP
            self.mark = mark
            self.ports = ports
            self.backends = backends
        }
    }

    /// A task, or a container, somewhere in the swarm.
    package struct Backend: Hashable, Codable, Sendable {
        /// `web.1.TASKID`, a container's name, `ingress-endpoint`.
        package var name: String
        package var address: IPAddress
        /// The host that it is on, by its address in the data path.
        package var host: IPAddress?

        package init(name: String, address: IPAddress, host: IPAddress? = nil) {
            self.name = name
            self.address = address
            self.host = host
        }
    }
}
