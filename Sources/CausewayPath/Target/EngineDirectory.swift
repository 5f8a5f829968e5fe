import CausewayKernel
import CausewayModel

/// What the engines of all hosts say of the swarm, put together.
struct EngineDirectory: Sendable {
    let networks: [EngineState.Network]
    let services: [EngineState.Service]
    let tasks: [EngineState.Task]
    let nodes: [EngineState.Node]
    /// By which the swarm's nodes know each other.
    let addresses: [IPAddress]
    private let holders: [IPAddress: World.Identity]

    init(_ engines: [EngineState]) {
        func distinct<T>(_ all: [T], by id: (T) -> String) -> [T] {
            var seen: Set<String> = []
            return all.filter { seen.insert(id($0)).inserted }
        }
        // Each host has networks of its own with the same names: those of the swarm are known by one identifier.
        networks = distinct(engines.flatMap(\.networks), by: \.id)
        services = distinct(engines.flatMap(\.services), by: \.id)
        tasks = distinct(engines.flatMap(\.tasks), by: \.id)
        nodes = distinct(engines.flatMap(\.nodes), by: \.id)
        addresses = engines.compactMap(\.nodeAddress)
        holders = Self.holders(networks)
    }

    private static func holders(_ networks: [EngineState.Network]) -> [IPAddress: World.Identity] {
        var holders: [IPAddress: World.Identity] = [:]
        for network in networks where network.driver == "overlay" {
            for service in network.services {
                for backend in service.backends where !backend.name.hasSuffix("-endpoint") {
                    holders[backend.address] = World.Identity(
                        container: backend.name, service: service.name.isEmpty ? nil : service.name,
                        task: service.name.isEmpty ? nil : World.Identity.short(backend.name))
                }
            }
        }
        return holders
    }

    func holder(of address: IPAddress) -> World.Identity? { holders[address] }

    // MARK: namespaces

    /// What the engine has a namespace of its own for.
    struct Part: Hashable, Sendable {
        var title: String
        var kind: Place.Kind
    }

    /// By the name that the engine gives such a namespace: `1-` and ten characters of the network's identifier,
    /// `lb_` and nine, `ingress_sbox`.
    func part(namespaceName name: String) -> Part? {
        if name == "ingress_sbox" {
            return Part(title: networks.first { $0.isIngress }?.name ?? "ingress", kind: .balancer)
        }
        if name.hasPrefix("lb_") {
            let id = name.dropFirst(3)
            return Part(title: networks.first { $0.id.hasPrefix(id) }?.name ?? String(id), kind: .balancer)
        }
        let parts = name.split(separator: "-", maxSplits: 1)
        guard parts.count == 2, Int(parts[0]) != nil,
            let network = networks.first(where: { $0.driver == "overlay" && $0.id.hasPrefix(parts[1]) })
        else { return nil }
        return Part(title: network.name, kind: .overlay)
    }
}
