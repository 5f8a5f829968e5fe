import ArgumentParser
import Foundation

/// The command `causeway lab`.
struct LabCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "Makes a cluster of virtual hosts on this machine, to try things on.",
        discussion: """
            Each virtual host is a network namespace with its own causewayd, state and socket; an outside host, `client`,
            calls from elsewhere. One Docker Engine serves all of them.

            Examples:
              causeway lab up --nodes 3
              causeway lab exec n1 -- docker node ls
              causeway lab exec n1 -- docker service create --name web --replicas 4 -p 8080:80 causeway-demo
              causeway lab exec client -- curl http://n2:8080
              causeway lab status --format json
              causeway lab up --nodes 2 --compare
              causeway lab down
            """,
        subcommands: [
            LabUpCommand.self, LabExecCommand.self, LabStatusCommand.self, LabCompareCommand.self, LabDownCommand.self,
        ])
}

/// Which lab is meant.
struct LabOptions: ParsableArguments {
    @Option(help: "The lab's folder.")
    var directory = LabFolder.usual

    var folder: LabFolder { LabFolder(path: directory) }

    func validate() throws {
        guard directory.hasPrefix("/") else { throw ValidationError("--directory is an absolute path") }
        // A socket's path has at most 107 bytes.
        guard directory.utf8.count <= 80 else { throw ValidationError("--directory has at most 80 bytes") }
    }
}

/// Refuses anybody but root.
func requireRoot(_ what: String) throws(Failure) {
    guard geteuid() == 0 else {
        throw Failure(what: "cannot \(what)", cause: "namespaces need root", remedy: "run it as root")
    }
}
