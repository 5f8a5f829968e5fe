/// What of `POST /containers/create` and of `POST /networks/{id}/connect` concerns networks (Engine API 1.50).
///
/// Only fields that Causeway acts on, or cannot honour, stand here; the others are Docker Engine's.
extension BodySchema {
    static let endpoint: BodySchema = [
        "IPAMConfig": .object([
            "IPv4Address": .value, "IPv6Address": .value, "LinkLocalIPs": .refused("--link-local-ip", .list),
        ]),
        "Aliases": .value,
        "MacAddress": .refused("--mac-address", .text),
        "Links": .refused("--link", .list),
        "DriverOpts": .refused("--network driver-opt=...", .object),
        "GwPriority": .refused("--network gw-priority=...", .number),
    ]

    /// Fields of the body itself that a container on a network of ours cannot have.
    static let containerOnNetwork: BodySchema = [
        "MacAddress": .refused("--mac-address", .text),
        "NetworkDisabled": .refused("NetworkDisabled", .flag),
        "HostConfig": .object(["Links": .refused("--link", .list)]),
    ]
}
