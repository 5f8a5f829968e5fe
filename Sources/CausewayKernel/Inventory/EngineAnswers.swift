import CausewayModel

/// What an engine's API answered, byte for byte; what was not asked or not answered is absent.
package struct EngineAnswers: Sendable {
    /// Of `GET /info`.
    package var info: [UInt8]?
    /// Of `GET /networks/ID?verbose=true`, each alone or in a list.
    package var networks: [[UInt8]] = []
    /// Of `GET /services`, `/tasks` and `/nodes`: a manager's alone.
    package var services: [UInt8]?
    package var tasks: [UInt8]?
    package var nodes: [UInt8]?

    package init() {}

    /// Puts them together; what is not understood of one object is left out with that object.
    package func state() throws(RecordingError) -> EngineState {
        var state = EngineState()
        if let info = try Self.parse(info, "info") { Self.read(info, &state) }
        for answer in networks {
            guard let value = try Self.parse(answer, "networks") else { continue }
            state.networks += value.list.compactMap { EngineState.Network(json: $0) }
        }
        state.services = try Self.objects(services, "services").compactMap { EngineState.Service(json: $0) }
        state.tasks = try Self.objects(tasks, "tasks").compactMap { EngineState.Task(json: $0) }
        state.nodes = try Self.objects(nodes, "nodes").compactMap { EngineState.Node(json: $0) }
        return state
    }

    private static func objects(_ bytes: [UInt8]?, _ name: String) throws(RecordingError) -> [JSONValue] {
        // A worker's engine answers with an object that says why not.
        try parse(bytes, name)?.array ?? []
    }

    private static func parse(_ bytes: [UInt8]?, _ name: String) throws(RecordingError) -> JSONValue? {
        guard let bytes, !bytes.isEmpty else { return nil }
        do throws(Nft.ReadError) {
            return try JSONParser.parse(bytes)
        } catch {
            throw RecordingError(file: "docker/\(name).json", why: "\(error.why) at byte \(error.offset)")
        }
    }

    private static func read(_ info: JSONValue, _ state: inout EngineState) {
        func filled(_ text: String?) -> String? { text.flatMap { $0.isEmpty ? nil : $0 } }
        state.version = info["ServerVersion"]?.string
        let swarm = info["Swarm"]
        state.nodeID = filled(swarm?["NodeID"]?.string)
        state.nodeAddress = swarm?["NodeAddr"]?.string.flatMap { IPAddress($0) }
        state.swarmState = filled(swarm?["LocalNodeState"]?.string)
        state.isManager = swarm?["ControlAvailable"]?.isTrue ?? false
    }
}

// MARK: objects of the swarm

extension EngineState.Port {
    init?(json: JSONValue) {
        guard let target = json["TargetPort"]?.unsigned.flatMap({ UInt16(exactly: $0) }) else { return nil }
        self.init(
            protocol: json["Protocol"]?.string.flatMap { Swarm.TransportProtocol(rawValue: $0) } ?? .tcp,
            target: target, published: json["PublishedPort"]?.unsigned.flatMap { UInt16(exactly: $0) } ?? 0,
            mode: json["PublishMode"]?.string ?? "ingress")
    }

    /// `Target: 80, Publish: 8080`: how a network's services are listed, which says nothing of the protocol.
    init?(text: String) {
        let numbers = text.split(separator: ",").compactMap { part in
            part.split(separator: ":").last.flatMap { UInt16($0.trimmed) }
        }
        guard numbers.count == 2 else { return nil }
        self.init(protocol: .tcp, target: numbers[0], published: numbers[1], mode: "ingress")
    }
}

extension EngineState.Service {
    init?(json: JSONValue) {
        guard let id = json["ID"]?.string, let name = json["Spec"]?["Name"]?.string else { return nil }
        let modes = [
            ("Replicated", "replicated"), ("Global", "global"), ("ReplicatedJob", "replicated-job"),
            ("GlobalJob", "global-job"),
        ]
        let endpoint = json["Endpoint"]
        self.init(
            id: id, name: name, mode: modes.first { json["Spec"]?["Mode"]?[$0.0] != nil }?.1 ?? "replicated",
            endpointMode: json["Spec"]?["EndpointSpec"]?["Mode"]?.string ?? "vip",
            ports: (endpoint?["Ports"]?.array ?? []).compactMap { EngineState.Port(json: $0) },
            virtualIPs: (endpoint?["VirtualIPs"]?.array ?? []).compactMap { item in
                item["NetworkID"]?.string.flatMap { id in
                    item["Addr"]?.string.flatMap { CIDR($0) }.map { .init(networkID: id, address: $0) }
                }
            })
    }
}

extension EngineState.Task {
    init?(json: JSONValue) {
        guard let id = json["ID"]?.string, let service = json["ServiceID"]?.string else { return nil }
        let attachments = (json["NetworksAttachments"]?.array ?? []).flatMap { item -> [EngineState.Attachment] in
            guard let network = item["Network"]?["ID"]?.string else { return [] }
            return (item["Addresses"]?.array ?? []).compactMap { address in
                address.string.flatMap { CIDR($0) }.map { .init(networkID: network, address: $0) }
            }
        }
        self.init(
            id: id, serviceID: service, slot: json["Slot"]?.unsigned, nodeID: json["NodeID"]?.string,
            state: json["Status"]?["State"]?.string ?? "", desiredState: json["DesiredState"]?.string ?? "",
            containerID: json["Status"]?["ContainerStatus"]?["ContainerID"]?.string, attachments: attachments)
    }
}

extension EngineState.Node {
    init?(json: JSONValue) {
        guard let id = json["ID"]?.string else { return nil }
        self.init(
            id: id, hostname: json["Description"]?["Hostname"]?.string ?? "",
            role: json["Spec"]?["Role"]?.string ?? "", availability: json["Spec"]?["Availability"]?.string ?? "",
            state: json["Status"]?["State"]?.string ?? "",
            address: json["Status"]?["Addr"]?.string.flatMap { IPAddress($0) })
    }
}
