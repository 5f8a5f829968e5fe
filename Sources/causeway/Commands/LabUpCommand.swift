import ArgumentParser
import Foundation

/// The command `causeway lab up`.
struct LabUpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Makes the hosts n1, n2, … and `client`, starts their daemons, and makes them a swarm.",
        discussion: """
            n1 is the manager. Nothing of the machine's own network is changed; what the lab makes has names that begin
            with cwlab-. Docker Engine has to know the OCI runtime `causeway`.

            With --compare there are two swarms of so many nodes each: n1 to nN have the data path `direct`, the others
            `classic`, Docker Swarm's own, which needs IPVS. One service on each is measured, and both stay up.

            Examples:
              causeway lab up --nodes 3
              causeway lab up --nodes 2 --compare
            """)

    @OptionGroup var lab: LabOptions

    @Option(help: "How many nodes.")
    var nodes = 3

    @Option(help: "Docker Engine's socket.")
    var engineSocket = "/var/run/docker.sock"

    @Option(help: "The MTU of every link of the underlay.")
    var underlayMTU: UInt32 = 1500

    @Flag(help: "Make no swarm: every node stays alone.")
    var noJoin = false

    @Flag(help: "Make a swarm of each data path, and compare them.")
    var compare = false

    @OptionGroup(title: "With --compare") var comparison: CompareOptions

    func validate() throws {
        guard !compare || !noJoin else {
            throw ValidationError("--compare needs swarms: it does not go with --no-join")
        }
        guard !compare || (2...100).contains(nodes) else {
            throw ValidationError("--compare needs --nodes of 2 to 100")
        }
        guard LabTopology.sizes.contains(nodes) else { throw ValidationError("--nodes is 1 to 200") }
        guard LabTopology.mtus.contains(underlayMTU) else { throw ValidationError("--underlay-mtu is 1280 to 9000") }
    }

    func run() async throws {
        try requireRoot("make a lab")
        let folder = lab.folder
        if let record = try folder.record() {
            throw Failure(
                what: "there is a lab in \(folder.path) already", cause: "it has \(record.topology.nodes.count) nodes",
                remedy: "use it, or take it down: causeway lab down")
        }
        if compare { try await LabComparison.check(comparison, engineSocket: engineSocket) }
        let topology = LabTopology(nodes: compare ? 2 * nodes : nodes, mtu: underlayMTU)
        let record = LabRecord(
            topology: topology, engineSocket: engineSocket, placesDirectory: Self.placesDirectory(),
            swarms: swarms(of: topology.nodes.map(\.name)))
        var builder = LabBuilder(folder, record: record, programs: LabBuilder.programsBesideThis()) { Console.note($0) }
        do {
            try await builder.build()
        } catch {
            guard try folder.record() != nil else { throw error }
            throw Failure(
                what: "the lab is not complete", cause: "\(error)",
                remedy: "look at it, then take down what there is: causeway lab down")
        }
        if compare { try await LabCompareCommand.compare(folder, record, comparison) }
        try Console.write(next, to: nil)
    }

    private func swarms(of names: [String]) -> [LabSwarm] {
        guard !noJoin else { return [] }
        let sizes = compare ? LabSwarm.DataPath.allCases : [.direct]
        return sizes.enumerated().map { index, path in
            LabSwarm(dataPath: path, nodes: Array(names[index * nodes..<(index + 1) * nodes]))
        }
    }

    private var next: String {
        let word = lab.directory == LabFolder.usual ? "" : " --directory \(lab.directory)"
        return """
            It stays up. What to try next:
              causeway lab exec\(word) n1 -- docker node ls
              causeway lab exec\(word) n1 -- docker service create --name web --replicas 4 -p 8080:80 IMAGE
              causeway lab exec\(word) client -- curl http://n\(min(2, nodes)):8080
              causeway lab status\(word)
              causeway lab down\(word)

            """
    }

    /// Where `causeway-oci` looks: the folder that its own file names, or the usual one.
    private static func placesDirectory() -> String {
        let named = (try? String(contentsOfFile: "/etc/causeway/oci-state", encoding: .utf8)) ?? ""
        return "\(named.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "/var/lib/causeway")/containers"
    }
}
