import ArgumentParser
import CausewayKernel
import CausewayLinux
import CausewayPath
import Foundation

/// The command `causeway doctor`.
struct DoctorCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Says what is wrong with the network of this node, why, and what to do.",
        discussion: """
            Each check names the cause, the rule, entry or setting that shows it, in which namespace it is and whose, and \
            what to do. What cannot be seen is said, never guessed. On a Causeway node the daemon is asked what should \
            be; on a Docker Swarm node nothing but this program is needed.

            Example:
              sudo causeway doctor
              causeway doctor --list
              causeway doctor --only forward-drop --only mtu
              causeway snapshot -o node-a.json && causeway doctor --input node-a.json --input node-b.json --format json

            Nothing is changed; each task's name server is asked for its services' names, and no other packet is sent.

            Exit status: 0 healthy, 1 something is wrong, 2 it could not be looked at, 64 usage.
            """)

    @Flag(help: "List the checks: what each looks at, and why.")
    var list = false

    @Option(help: ArgumentHelp("This check alone; may be given several times.", valueName: "check"))
    var only: [String] = []

    @Option(help: "text or json.")
    var format: Format = .text

    @Option(name: [.customShort("o"), .long], help: "Write to this file.")
    var output: String?

    @Option(help: "Read this snapshot instead of the kernel; once for each host.")
    var input: [String] = []

    @Flag(help: "Take this for a Docker Swarm node: ask no Causeway daemon.")
    var docker = false

    @Option(help: "The daemon's control socket.")
    var socket: String = ControlClient.defaultPath

    func validate() throws {
        let known = Checkup.all.map(\.name)
        for name in only where !known.contains(name) {
            throw ValidationError("--only '\(name)' is no check; `causeway doctor --list` names them")
        }
    }

    func run() async throws {
        if list { return try Console.write(Checkup.list, to: output) }
        let patient: Patient
        do {
            patient = try await look()
        } catch {
            // Told apart from findings, which scripts act upon.
            Console.note("\(error)")
            throw ExitCode(2)
        }
        let diagnosis = Checkup(only: only).examine(patient)
        switch format {
        case .text:
            let isTerminal =
                output == nil && isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
            try Console.write(diagnosis.text(isColoured: isTerminal), to: output)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Console.write(String(decoding: try encoder.encode(diagnosis), as: UTF8.self) + "\n", to: output)
        }
        if !diagnosis.isHealthy { throw ExitCode(1) }
    }

    private func look() async throws -> Patient {
        guard input.isEmpty else {
            return Patient(try await InventorySource.readAll(input) { nil })
        }
        let (report, told) = docker ? (nil, nil) : askDaemon()
        let inventories = try await InventorySource.readAll([]) { told }
        var patient = Patient(inventories, daemon: report, wasAsked: !docker)
        patient.names = await Self.ask(patient.questions)
        return patient
    }

    /// A daemon that does not answer is a finding, not a failure: the kernel can be looked at without it.
    private func askDaemon() -> (DaemonReport?, [Inventory]?) {
        let client = ControlClient(socketPath: socket, patience: 5)
        guard client.isAnswered else { return (nil, nil) }
        do {
            return (try client.report(), try client.inventories())
        } catch {
            Console.note("\(error)")
            return (nil, nil)
        }
    }

    /// Within each task, at its own name server.
    private static func ask(_ questions: [Patient.NameQuestion]) async -> [NameAnswer] {
        let places = questions.map { NameProbe.Place(path: $0.path, namespace: $0.namespace, names: $0.names) }
        return await NameProbe(places).answers().map {
            NameAnswer(namespace: $0.namespace, name: $0.name, addresses: $0.addresses, failure: $0.failure)
        }
    }
}

extension ControlClient {
    /// What the daemon says of its node, in the doctor's words.
    fileprivate func report() throws -> DaemonReport {
        let status = try status()
        return DaemonReport(
            role: status.role,
            pending: try plan().map { DaemonReport.Pending(namespace: $0.namespace, steps: $0.steps) },
            failures: status.failures,
            peers: (status.peers ?? []).map {
                DaemonReport.Peer(
                    hostname: $0.hostname, isReachable: $0.reachable, mtu: $0.mtu, takesOffload: $0.offload,
                    note: $0.note)
            }, revision: status.revision, applied: status.applied)
    }
}
