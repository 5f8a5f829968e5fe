import CausewayModel
import FoundationEssentials

extension Engine {
    /// `TLSInfo` of the swarm and of each node.
    struct TLS: Encodable {
        var trustRoot: String
        var certIssuerSubject: String
        var certIssuerPublicKey: String

        enum CodingKeys: String, CodingKey {
            case trustRoot = "TrustRoot"
            case certIssuerSubject = "CertIssuerSubject"
            case certIssuerPublicKey = "CertIssuerPublicKey"
        }

        init(_ cluster: Swarm.Cluster) { self.init(root: cluster.caCertificate) }

        /// Of the root that a node's certificate is of.
        init(_ node: Swarm.Node, _ cluster: Swarm.Cluster) {
            let former = node.hasFormerRoot == true ? cluster.rotation?.formerCertificate : nil
            self.init(root: former ?? cluster.caCertificate)
        }

        private init(root: String) {
            trustRoot = root
            let certificate = CertificateFields(pem: root)
            certIssuerSubject = Data(certificate?.subject ?? []).base64EncodedString()
            certIssuerPublicKey = Data(certificate?.publicKey ?? []).base64EncodedString()
        }
    }

    /// The swarm (`GET /swarm`).
    struct Cluster: Encodable {
        struct JoinTokens: Encodable {
            var worker: String
            var manager: String

            enum CodingKeys: String, CodingKey {
                case worker = "Worker"
                case manager = "Manager"
            }
        }

        var id: String
        var version: Swarm.Version
        var createdAt: Timestamp
        var updatedAt: Timestamp
        var spec: Swarm.ClusterSpec
        var tls: TLS
        var isRotatingRoot: Bool
        var defaultAddressPools: [String]
        var subnetSize: Int
        var dataPathPort: UInt16
        var tokens: JoinTokens?

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case version = "Version"
            case createdAt = "CreatedAt"
            case updatedAt = "UpdatedAt"
            case spec = "Spec"
            case tls = "TLSInfo"
            case isRotatingRoot = "RootRotationInProgress"
            case defaultAddressPools = "DefaultAddrPool"
            case subnetSize = "SubnetSize"
            case dataPathPort = "DataPathPort"
            case tokens = "JoinTokens"
        }

        /// `showsTokens`: `/info` shows the cluster without them.
        init(_ cluster: Swarm.Cluster, showsTokens: Bool) {
            id = cluster.id
            version = cluster.meta.version
            createdAt = cluster.meta.createdAt
            updatedAt = cluster.meta.updatedAt
            spec = cluster.spec
            tls = TLS(cluster)
            isRotatingRoot = cluster.rotation != nil
            defaultAddressPools = cluster.defaultAddressPools.map(\.description)
            subnetSize = cluster.subnetSize
            dataPathPort = cluster.dataPathPort
            tokens = showsTokens ? JoinTokens(worker: cluster.workerToken, manager: cluster.managerToken) : nil
        }
    }

    /// `Swarm` of `GET /info`.
    struct SwarmState: Encodable {
        struct Peer: Encodable {
            var nodeID: String
            var address: String

            enum CodingKeys: String, CodingKey {
                case nodeID = "NodeID"
                case address = "Addr"
            }
        }

        var nodeID = ""
        var nodeAddress = ""
        var state = "inactive"
        var isManager = false
        var error = ""
        var managers: [Peer]?
        var nodeCount: Int?
        var managerCount: Int?
        var cluster: Cluster?

        enum CodingKeys: String, CodingKey {
            case nodeID = "NodeID"
            case nodeAddress = "NodeAddr"
            case state = "LocalNodeState"
            case isManager = "ControlAvailable"
            case error = "Error"
            case managers = "RemoteManagers"
            case nodeCount = "Nodes"
            case managerCount = "Managers"
            case cluster = "Cluster"
        }

        /// Of a node that is no manager: in a swarm, on its way into one, or in none.
        init(worker membership: Membership) {
            nodeID = membership.nodeID ?? ""
            nodeAddress = membership.nodeAddress?.description ?? ""
            state = membership.state.rawValue
            error = membership.error
            let known = membership.managers.map { Peer(nodeID: $0.nodeID, address: $0.address) }
            managers = known.isEmpty ? nil : known
        }

        init(_ cluster: Swarm.Cluster, nodes: [Swarm.Node], local: Swarm.ID) {
            let own = nodes.first { $0.id == local }
            let managers = nodes.filter { $0.spec.role == .manager }
            nodeID = local
            nodeAddress = (own?.address ?? cluster.advertiseAddress).description
            state = "active"
            isManager = true
            self.managers = managers.map { Peer(nodeID: $0.id, address: cluster.managerAddress($0.address)) }
            nodeCount = nodes.count
            managerCount = managers.count
            self.cluster = Cluster(cluster, showsTokens: false)
        }
    }
}
