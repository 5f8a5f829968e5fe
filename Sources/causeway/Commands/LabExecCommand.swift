import ArgumentParser
import CausewayKernel
import CausewayLinux
import Foundation

/// The command `causeway lab exec`.
struct LabExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Runs a command on a host of the lab.",
        discussion: """
            It runs in the host's network, on this machine's files. The names of the lab's hosts resolve; on a node
            DOCKER_HOST is its daemon's socket.

            Examples:
              causeway lab exec n1 -- docker service ls
              causeway lab exec client -- curl http://n3:8080
              causeway lab exec n2 -- bash
            """)

    @OptionGroup var lab: LabOptions

    @Argument(help: "n1, n2, … or client.")
    var host: String

    @Argument(parsing: .captureForPassthrough, help: "The command.")
    var command: [String]

    func run() async throws {
        try requireRoot("enter a host of the lab")
        let record = try lab.folder.requireRecord()
        guard let target = record.topology.host(host) else {
            let names = record.topology.hosts.map(\.name).joined(separator: ", ")
            throw ValidationError("there is no host '\(host)'; the lab has \(names)")
        }
        let words = command.first == "--" ? Array(command.dropFirst()) : command
        guard !words.isEmpty else {
            throw ValidationError("say which command to run: causeway lab exec \(host) -- CMD")
        }
        let failure = await NetworkNamespace(name: target.namespace).become(
            words, environment: environment(target != record.topology.client),
            files: ["/etc/hosts": lab.folder.hostsPath])
        Console.note("\(failure)")
        // As a shell has it: not found, or found and not to be run.
        throw ExitCode(failure.reason == .notFound ? 127 : 126)
    }

    /// Ours, and what leads to the node's daemon and its namespaces.
    private func environment(_ isNode: Bool) -> [String: String?] {
        var variables: [String: String?] = ["CAUSEWAY_LAB_HOST": host]
        for name in ["DOCKER_CONTEXT", "DOCKER_HOST"] { variables.updateValue(nil, forKey: name) }
        guard isNode else { return variables }
        let node = lab.folder.node(host)
        variables["DOCKER_HOST"] = "unix://\(node.socket)"
        variables["CAUSEWAY_CONTROL_SOCKET"] = node.controlSocket
        variables["CAUSEWAY_NAMESPACES_DIRECTORY"] = node.namespaces
        return variables
    }
}
