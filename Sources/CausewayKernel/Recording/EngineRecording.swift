import CausewayModel

/// Reads the engine's answers in a recording, and joins its containers with the namespaces.
struct EngineRecording {
    struct Result {
        var hostname: String?
        var state: EngineState?
        var owners: [Inventory.Owner] = []
        var gaps: [String] = []
    }

    private let files: Recording

    init(_ files: Recording) { self.files = files }

    func read(_ namespaces: [String: UInt64]) throws(RecordingError) -> Result {
        var result = Result()
        let containers = try files.list("docker/containers.json")
        for container in containers { add(container, namespaces, &result) }
        result.owners.sort { $0.containerName < $1.containerName }
        guard files.files.keys.contains(where: { $0.hasPrefix("docker/") }) else {
            result.gaps.append("nothing of an engine was recorded: containers and services are not named")
            return result
        }
        var answers = EngineAnswers()
        answers.info = files.files["docker/info.json"]
        answers.networks = files.files["docker/networks.json"].map { [$0] } ?? []
        answers.services = files.files["docker/services.json"]
        answers.tasks = files.files["docker/tasks.json"]
        answers.nodes = files.files["docker/nodes.json"]
        result.state = try answers.state()
        result.hostname = try files.json("docker/info.json")?["Name"]?.string
        return result
    }

    /// `docker inspect` of a running container.
    private func add(_ container: JSONValue, _ namespaces: [String: UInt64], _ result: inout Result) {
        guard let id = container["Id"]?.string, container["State"]?["Running"]?.isTrue ?? true else { return }
        let name = container["Name"]?.string ?? container["Names"]?.array?.first?.string ?? id
        let key = container["NetworkSettings"]?["SandboxKey"]?.string?.split(separator: "/").last.map(String.init)
        let isHosts = container["HostConfig"]?["NetworkMode"]?.string == "host"
        guard let key, let inode = namespaces[isHosts ? "host" : key] else {
            result.gaps.append("container \(name): its namespace was not recorded")
            return
        }
        guard !isHosts else { return }
        let labels = container["Config"]?["Labels"] ?? container["Labels"]
        result.owners.append(
            Inventory.Owner(
                containerID: id, containerName: name.hasPrefix("/") ? String(name.dropFirst()) : name,
                namespaceInode: inode, serviceID: labels?["com.docker.swarm.service.id"]?.string,
                serviceName: labels?["com.docker.swarm.service.name"]?.string,
                taskID: labels?["com.docker.swarm.task.id"]?.string,
                taskName: labels?["com.docker.swarm.task.name"]?.string))
    }
}
