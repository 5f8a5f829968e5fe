import Foundation
import Testing

extension LabCluster {
    /// A task that runs, and where.
    struct Place: Sendable, Hashable {
        /// Service and slot: `web.1`.
        var name: String
        var id: String
        var node: String
        /// The engine's identifier of its container.
        var container: String
        /// Its process on this machine.
        var process: String

        /// The network that it is in.
        var network: Machine.Place { .process(process) }
    }

    /// Options that name each replica, with a server that ends in order.
    static func web(grace: Int = 5) -> (options: [String], command: [String]) {
        (
            ["--hostname", "{{.Service.Name}}.{{.Task.Slot}}", "--stop-grace-period", "\(grace + 2)s"],
            [Images.test, "whoami", "--grace", "\(grace)", "80"]
        )
    }

    /// Runs a body with a service of `replicas` tasks that run, and removes the service afterwards.
    ///
    /// `options` are those of `docker service create` but for name and replicas; `command` is image, command, arguments.
    nonisolated func withService(
        _ name: String, options: [String] = [], command: [String] = [Images.test], replicas: Int = 1,
        body: ([Place]) async throws -> Void
    ) async throws {
        let words = ["service", "create", "--detach", "--quiet", "--name", name, "--replicas", "\(replicas)"]
        try await manager(words + options + command)
        do {
            try await body(try await converged(name, replicas))
        } catch {
            let tasks = (try? await manager.attempt("service", "ps", "--no-trunc", name).all) ?? ""
            let logs = lastOfLogs(30)
            _ = try? await manager("service", "rm", name)
            throw Context(error: error, notes: [tasks] + logs)
        }
        _ = try await manager.attempt("service", "rm", name)
        try await eventually("the containers of \(name) to be gone", within: .seconds(60)) {
            try await containers(name).isEmpty ? true : nil
        }
    }

    /// Runs a body with a network, and removes the network afterwards.
    nonisolated func withNetwork(_ name: String, _ options: String..., body: () async throws -> Void) async throws {
        try await manager(["network", "create", "--driver", "overlay"] + options + [name])
        do { try await body() } catch {
            _ = try? await manager("network", "rm", name)
            throw error
        }
        try await eventually("network \(name) to be removed") {
            try await manager.attempt("network", "rm", name).succeeded ? true : nil
        }
    }

    /// Waits until a service has so many tasks that run, none that is still to go, and returns them by name.
    @discardableResult
    nonisolated func converged(
        _ service: String, _ count: Int, within limit: Duration = .seconds(60)
    ) async throws -> [Place] {
        try await eventually("service \(service) to have \(count) running tasks", within: limit) {
            let tasks = try await manager.tasks(service, running: true).filter { $0.current.hasPrefix("Running") }
            let places = try await places(service)
            return tasks.count == count && Set(places.map(\.id)) == Set(tasks.map(\.id)) ? places : nil
        }
    }

    /// The tasks of a service that have a running container, by name.
    nonisolated func places(_ service: String) async throws -> [Place] {
        let nodes = try await manager("node", "ls", "--format", "{{.ID}} {{.Hostname}}").lines.map { line in
            line.split(separator: " ").map(String.init)
        }
        let hostnames = Dictionary(nodes.map { ($0[0], $0[1]) }, uniquingKeysWith: { $1 })
        let ids = try await containers(service, "--filter", "status=running")
        guard !ids.isEmpty else { return [] }
        let format = """
            {{index .Config.Labels "com.docker.swarm.task.name"}} {{index .Config.Labels "com.docker.swarm.task.id"}} \
            {{index .Config.Labels "com.docker.swarm.node.id"}} {{.Id}} {{.State.Pid}}
            """
        return try await Docker(socket: Cluster.engineSocket)(["inspect", "--format", format] + ids).lines.compactMap {
            let parts = $0.split(separator: " ").map(String.init)
            guard parts.count == 5, parts[4] != "0" else { return nil }
            let name = parts[0].split(separator: ".").prefix(2).joined(separator: ".")
            return Place(
                name: name, id: parts[1], node: hostnames[parts[2]] ?? parts[2], container: parts[3], process: parts[4])
        }.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    }

    /// The containers of a service on the engine that all nodes share.
    nonisolated func containers(_ service: String, _ filter: String...) async throws -> [String] {
        let words = ["ps", "--all", "--no-trunc", "--quiet", "--filter"]
        return try await Docker(socket: Cluster.engineSocket)(
            words + ["label=com.docker.swarm.service.name=\(service)"] + filter
        ).lines
    }

    /// A service's virtual address on a network, or its first on one that is not ingress.
    nonisolated func virtualAddress(_ service: String, on network: String? = nil) async throws -> String {
        struct Service: Decodable {
            struct Endpoint: Decodable {
                struct Virtual: Decodable {
                    var NetworkID: String
                    var Addr: String?
                }
                var VirtualIPs: [Virtual]?
            }
            var Endpoint: Endpoint
        }
        let id = try await manager("network", "inspect", "--format", "{{.Id}}", network ?? "ingress").trimmed
        let found = try await manager.inspect("service", service, as: Service.self).Endpoint.VirtualIPs ?? []
        let address = found.filter { ($0.NetworkID == id) == (network != nil) }.compactMap(\.Addr).first
        return String(try #require(address).prefix { $0 != "/" })
    }

    /// Every address of a task but 127.0.0.1 and ::1, as its own namespace has them.
    nonisolated func addresses(of task: Place) async throws -> [String] {
        let said = try await Command(task.network.wrap(["ip", "-oneline", "address", "show", "scope", "global"])).run()
        return said.lines.compactMap { line in
            let words = line.split(separator: " ")
            return words.firstIndex(where: { $0.hasPrefix("inet") }).map { String(words[$0 + 1].prefix { $0 != "/" }) }
        }
    }
}

extension LabCluster {
    /// Waits until a published port leads to exactly these replicas from every node, over both families.
    ///
    /// That a task runs is known to the manager before every node's kernel has it.
    nonisolated func leadsEverywhere(to replicas: [String], port: Int = 8080, families: Set<Int> = [4, 6]) async throws
    {
        for address in await addresses(families) {
            let load = Load(
                transport: .http, address: address, port: port, count: 24 * replicas.count, timeout: .seconds(1))
            try await eventually("\(address):\(port) to lead to \(replicas)", within: .seconds(20)) {
                let result = try await load.run(at: place("client"))
                return result.answered == result.requested && Set(result.replicas.keys) == Set(replicas) ? true : nil
            }
        }
    }

    /// Waits until no node's daemon would change anything.
    nonisolated func planIsEmptyEverywhere() async throws {
        for node in await nodes { try await planIsEmpty(node) }
    }

    /// Waits until a node's daemon would change nothing.
    nonisolated func planIsEmpty(_ node: String, within limit: Duration = .seconds(30)) async throws {
        var last = ""
        do {
            try await eventually("causeway plan to be empty on \(node)", within: limit) {
                last = try await exec(node, Machine.executable("causeway"), "plan").all
                return last.contains(nothingToChange) ? true : nil
            }
        } catch { throw Context(error: error, notes: [last, lastOfLog(node)]) }
    }

    /// Waits until the manager says of all nodes that they are ready.
    nonisolated func allReady() async throws {
        let all = await nodes
        try await eventually("all nodes to be ready") {
            let lines = try await manager("node", "ls", "--format", "{{.Hostname}} {{.Status}}").lines
            return Set(lines) == Set(all.map { "\($0) Ready" }) ? true : nil
        }
    }
}
