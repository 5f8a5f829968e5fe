/// `POST /networks/create` for a network of ours (Engine API 1.50).
extension BodySchema {
    /// Enough to tell whose network it is to be.
    static let networkDriver: BodySchema = ["Name": .value, "Driver": .value, "ConfigOnly": .value, "Scope": .value]

    static let network: BodySchema = [
        "Name": .value, "Driver": .value, "Scope": .value, "Internal": .value, "Attachable": .value,
        "EnableIPv6": .value, "Labels": .value, "Options": .value,
        "EnableIPv4": .value,
        "Ingress": .value, "CheckDuplicate": .value,
        "IPAM": .object([
            "Driver": .refused("--ipam-driver", .text, harmless: [.string("default")]),
            "Options": .refused("--ipam-opt", .object),
            "Config": .list([
                "Subnet": .value, "IPRange": .value, "Gateway": .value,
                "AuxiliaryAddresses": .refused("--aux-address", .object),
                "AuxAddress": .refused("--aux-address", .object),
            ]),
        ]),
        "ConfigOnly": .refused("--config-only", .flag),
        "ConfigFrom": .refused("--config-from", .object),
    ]
}
