/// What of `POST /containers/create` and of `POST /networks/{id}/connect` concerns networks (Engine API 1.50).
///
/// Only fields that Causeway acts on, or cannot honour, stand here; the others are Docker Engine's.
extension BodySchema {
    static let endpoint: BodySchema = [
        "IPAMConfig": .object([
            "IPv4Address": .value, "IPv6Address": .value, "LinkLocalIPs": .refused("--link-local-ip"),
        ]),
        "Aliases": .value,
        "MacAddress": .refused("--mac-address"),
        "Links": .refused("--link"),
        "DriverOpts": .refused("--network driver-opt=..."),
        "GwPriority": .refused("--network gw-priority=..."),
    ]

    /// Fields of the body itself that a container on a network of ours cannot have.
    static let containerOnNetwork: BodySchema = [
        "MacAddress": .refused("--mac-address"),
        "NetworkDisabled": .refused("NetworkDisabled"),
        "HostConfig": .object(["Links": .refused("--link")]),
    ]
}
