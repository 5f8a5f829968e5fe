/// Something about the node's Docker Engine that keeps tasks from running, with its remedy.
package enum EngineProblem: Hashable, Sendable, CustomStringConvertible {
    case unreachable(String)
    case tooOld(String)
    /// The engine is a member of a swarm of its own, in the state that it names.
    case inSwarm(String)
    case runtimeMissing(String)
    case usernsRemap
    case rootless

    package var description: String {
        switch self {
        case .unreachable(let message): message
        case .tooOld(let version):
            "Docker Engine speaks API version \(version): 1.41 (Docker Engine 20.10) or newer is needed; upgrade it"
        case .inSwarm(let state):
            "Docker Engine is in a swarm of its own (\(state)): "
                + "run \"docker swarm leave --force\" against Docker Engine's own socket first"
        case .runtimeMissing(let name):
            "Docker Engine does not know the OCI runtime \"\(name)\": start dockerd with "
                + "--add-runtime \(name)=PATH-OF-causeway-oci, or put "
                + "{\"runtimes\": {\"\(name)\": {\"path\": \"PATH-OF-causeway-oci\"}}} into /etc/docker/daemon.json "
                + "and reload it (kill -HUP)"
        case .usernsRemap:
            "Docker Engine remaps user namespaces (userns-remap): its containers cannot join a namespace that "
                + "the host's root made; take \"userns-remap\" out of /etc/docker/daemon.json and restart dockerd"
        case .rootless:
            "Docker Engine runs rootless: it cannot join network namespaces of the host; run dockerd as root"
        }
    }
}

/// What is read of `GET /info`.
package struct EngineInfo: Decodable, Sendable {
    struct Runtime: Decodable, Sendable {}
    struct Membership: Decodable, Sendable {
        var localNodeState: String?
        enum CodingKeys: String, CodingKey { case localNodeState = "LocalNodeState" }
    }

    var runtimes: [String: Runtime]?
    var swarm: Membership?
    var securityOptions: [String]?

    enum CodingKeys: String, CodingKey {
        case runtimes = "Runtimes"
        case swarm = "Swarm"
        case securityOptions = "SecurityOptions"
    }

    /// `apiVersion` as the engine says it: `1.41`.
    package func problems(apiVersion: String, runtime: String) -> [EngineProblem] {
        var problems: [EngineProblem] = []
        let parts = apiVersion.split(separator: ".").compactMap { Int($0) }
        if parts.count != 2 || (parts[0], parts[1]) < (1, 41) { problems.append(.tooOld(apiVersion)) }
        if let state = swarm?.localNodeState, !["", "inactive"].contains(state) { problems.append(.inSwarm(state)) }
        if runtimes?[runtime] == nil { problems.append(.runtimeMissing(runtime)) }
        // `name=userns`, or `name=seccomp,profile=default`.
        let options = Set((securityOptions ?? []).compactMap { $0.split(separator: ",").first.map(String.init) })
        if options.contains("name=userns") { problems.append(.usernsRemap) }
        if options.contains("name=rootless") { problems.append(.rootless) }
        return problems
    }
}
