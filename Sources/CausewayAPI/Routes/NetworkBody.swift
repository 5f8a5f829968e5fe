import CausewayModel

/// The body of `POST /networks/create`, after its schema.
struct NetworkBody: Decodable, Sendable {
    struct IPAM: Decodable, Sendable {
        var config: [Swarm.NetworkSpec.IPAMConfig]?

        enum CodingKeys: String, CodingKey { case config = "Config" }
    }

    var name: String?
    var scope: String?
    var isInternal: Bool?
    var isAttachable: Bool?
    var isIngress: Bool?
    var enableIPv4: Bool?
    var enableIPv6: Bool?
    var labels: [String: String]?
    var options: [String: String]?
    var ipam: IPAM?
    /// Read so that it is a boolean; names are always unique.
    var checksDuplicate: Bool?

    enum CodingKeys: String, CodingKey {
        case name = "Name"
        case scope = "Scope"
        case isInternal = "Internal"
        case isAttachable = "Attachable"
        case isIngress = "Ingress"
        case enableIPv4 = "EnableIPv4"
        case enableIPv6 = "EnableIPv6"
        case labels = "Labels"
        case options = "Options"
        case ipam = "IPAM"
        case checksDuplicate = "CheckDuplicate"
    }

    /// Options of Docker's overlay driver that Causeway does not act on.
    private static let refusedOptions = [
        "encrypted", "com.docker.network.driver.mtu", "com.docker.network.driver.overlay.vxlanid_list",
    ]

    /// Refuses what Docker would act on and Causeway does not.
    static func specification(_ body: JSONValue) throws(APIError) -> Swarm.NetworkSpec {
        let given: NetworkBody = try JSON.model(body)
        guard let name = given.name, !name.trimmingSpaces().isEmpty else {
            throw APIError(400, "invalid network name: it must not be empty")
        }
        guard ["", "swarm"].contains(given.scope ?? "") else {
            guard given.scope != "local" else {
                throw APIError(400, "cannot downgrade network scope for overlay networks")
            }
            throw APIError(400, "invalid Scope '\(given.scope ?? "")' (--scope): an overlay network has scope swarm")
        }
        guard given.enableIPv4 != false else {
            throw APIError(501, "EnableIPv4 false (--ipv4=false) is not supported by Causeway yet; leave it out")
        }
        for option in refusedOptions where given.options?[option] != nil {
            throw APIError(501, "Options[\(option)] (--opt \(option)) is not supported by Causeway yet; leave it out")
        }
        var spec = Swarm.NetworkSpec(name: name)
        spec.labels = given.labels ?? [:]
        spec.options = given.options ?? [:]
        if let path = spec.unknownDataPath {
            throw APIError(
                400,
                "invalid data path '\(path)' (--opt \(Swarm.NetworkSpec.dataPathOption)): use direct or classic")
        }
        spec.isInternal = given.isInternal ?? false
        spec.isAttachable = given.isAttachable ?? false
        spec.isIngress = given.isIngress ?? false
        spec.enableIPv6 = given.enableIPv6 ?? false
        spec.ipam = given.ipam?.config ?? []
        return spec
    }
}
