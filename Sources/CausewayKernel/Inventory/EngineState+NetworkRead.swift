import CausewayModel

extension EngineState.Network {
    /// As `GET /networks/ID?verbose=true` answers.
    init?(json: JSONValue) {
        guard let id = json["Id"]?.string, let name = json["Name"]?.string else { return nil }
        var options: [String: String] = [:]
        for member in json["Options"]?.members ?? [] { options[member.key] = member.value.string }
        let subnets = json["IPAM"]?["Config"]?.array ?? []
        self.init(
            id: id, name: name, driver: json["Driver"]?.string ?? "", scope: json["Scope"]?.string ?? "",
            isIngress: json["Ingress"]?.isTrue ?? false, isInternal: json["Internal"]?.isTrue ?? false,
            subnets: subnets.compactMap { $0["Subnet"]?.string.flatMap { CIDR($0) } },
            gateways: subnets.compactMap { $0["Gateway"]?.string.flatMap { IPAddress($0) } },
            identifiers: (options["com.docker.network.driver.overlay.vxlanid_list"] ?? "").split(separator: ",")
                .compactMap { UInt32($0) },
            options: options,
            peers: (json["Peers"]?.array ?? []).compactMap { $0["IP"]?.string.flatMap { IPAddress($0) } },
            endpoints: (json["Containers"]?.members ?? []).map { EngineState.Endpoint(id: $0.key, json: $0.value) },
            services: (json["Services"]?.members ?? []).map { EngineState.NetworkService(name: $0.key, json: $0.value) }
        )
    }
}

extension EngineState.Endpoint {
    init(id: String, json: JSONValue) {
        self.init(
            name: json["Name"]?.string ?? "", containerID: id,
            address: json["IPv4Address"]?.string.flatMap { CIDR($0) },
            hardwareAddress: json["MacAddress"]?.string.flatMap { MACAddress($0) })
    }
}

extension EngineState.NetworkService {
    init(name: String, json: JSONValue) {
        let mark = json["LocalLBIndex"]?.unsigned.flatMap { UInt32(exactly: $0) }
        self.init(
            name: name, virtualIP: json["VIP"]?.string.flatMap { IPAddress($0) }, mark: mark == 0 ? nil : mark,
            ports: (json["Ports"]?.array ?? []).compactMap { $0.string.flatMap { EngineState.Port(text: $0) } },
            backends: (json["Tasks"]?.array ?? []).compactMap { task in
                task["EndpointIP"]?.string.flatMap { IPAddress($0) }.map { address in
                    EngineState.Backend(
                        name: task["Name"]?.string ?? "", address: address,
                        host: task["Info"]?["Host IP"]?.string.flatMap { IPAddress($0) })
                }
            })
    }
}
