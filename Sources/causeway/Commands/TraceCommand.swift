import ArgumentParser
import CausewayKernel
import CausewayModel
import CausewayPath
import CausewayTrace
import Foundation

/// The command `causeway trace TARGET`.
struct TraceCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Follows real packets to TARGET, hop by hop, and lays them beside the predicted path.",
        discussion: """
            TARGET and --from are what `causeway path` takes. From the host, a task or a container of this machine, \
            packets of our own are sent: TCP connections that are opened and ended at once, UDP datagrams, or pings. \
            From outside, or with --wait, the next real packets that match are followed instead.

            Examples:
              causeway trace web:8080 --from task:client.1 --count 5    open five connections and follow them
              causeway trace web:8080                                   follow the next client from outside
              causeway trace web:8080 --from 203.0.113.7 --timeout 120  ... of this one client
              causeway trace db:5432 --from task:api.1 --wait           what the task itself sends
              causeway trace web:8080 --at n2                           a client that asks node n2

            Only what opens a connection is followed, and its answer. Rules are seen by nftables' own trace (iptables-nft's \
            too), devices and the kernel's reasons for drops by eBPF where it may be used, devices alone by captures where \
            not. While it runs there is a table 'inet causeway_trace' in each namespace on the way; it and all else is \
            gone when the command ends, even if it is killed. Needs root.

            Exit status: 0 all packets arrive as predicted, 3 one is refused or dropped, 4 one went otherwise than predicted, \
            or was not seen to the end, 1 no packet came, or other errors, 64 usage.
            """)

    @OptionGroup var question: TraceQuestion

    @Option(help: "How many packets to follow.")
    var count: Int = 1

    @Flag(help: "Send nothing: wait for the packets of others.")
    var wait = false

    @Option(help: "How long to wait for them, in seconds.")
    var timeout: Int = 30

    @Flag(help: "Show every packet in full. Default: the first, and those that differ from the prediction.")
    var full = false

    @Flag(name: .customLong("no-ebpf"), help: "Do without eBPF, as on a kernel that does not allow it.")
    var isWithoutBPF = false

    @Option(help: "text or json.")
    var format: Format = .text

    @Option(name: [.customShort("o"), .long], help: "Write to this file.")
    var output: String?

    @Option(help: "Write all that the kernel said to this file, as JSON: for a report of a bug.")
    var sightings: String?

    @Flag(help: "Draw with ASCII characters alone.")
    var ascii = false

    func validate() throws {
        guard (1...100).contains(count) else { throw ValidationError("--count is 1 to 100") }
        guard (1...86_400).contains(timeout) else { throw ValidationError("--timeout is 1 to 86400 seconds") }
    }

    func run() async throws {
        guard geteuid() == 0 else {
            throw Failure(
                what: "cannot trace", cause: "tables and programs in the kernel are root's", remedy: "run it as root")
        }
        let asked = try await question.ask()
        let subject = TraceRun.Subject(
            asked.tracer, asked.answer.packet, from: asked.answer.entry, source: asked.source)
        let run = TraceRun(
            subject, count: count, directories: asked.directories, eyes: isWithoutBPF ? .captures : .best)
        let result = try await follow(run, asked)
        if let sightings { try Console.write(try Self.json(result.sightings), to: sightings) }
        let report = TraceReport(asked, result)
        try Console.write(try render(report), to: output)
        for note in report.notes { Console.note(note) }
        if let status = report.status { throw ExitCode(status) }
    }

    private func follow(_ run: TraceRun, _ asked: TraceQuestion.Asked) async throws -> TraceRun.Result {
        guard wait || !run.canSend else { return try await run.send() }
        Console.note("waiting up to \(timeout) s for \(count) packets: \(asked.answer.packet.header)")
        return try await run.wait(.seconds(timeout))
    }

    private func render(_ report: TraceReport) throws -> String {
        switch format {
        case .text: return report.text(ObservationRenderer(isASCII: ascii || Console.wantsASCII), isFull: full)
        case .json: return try Self.json(report)
        }
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}

/// What to follow, in the words that `causeway path` has for it.
struct TraceQuestion: ParsableArguments {
    @Argument(help: "A service, service:port, host:port, a task, a container or an address.")
    var target: String

    @Option(
        help: ArgumentHelp(
            "Where the packets come from: 'host', task:NAME, or an outside address. Default: anybody outside.",
            valueName: "origin"))
    var from: String?

    @Option(name: .customLong("protocol"), help: "tcp, udp or icmp. Default: what TARGET publishes, else tcp.")
    var transport: String?

    @Option(help: "The port, when TARGET does not say it.")
    var port: UInt16?

    @Flag(name: .customShort("6"), help: "Use IPv6 where TARGET has both.")
    var isIPv6 = false

    @Option(help: ArgumentHelp("The node that is asked. Default: the one in TARGET, else this one.", valueName: "node"))
    var at: String?

    @Option(help: "The daemon's control socket: it has the other nodes' state. Default: the lab's, if NODE is of one.")
    var socket: String?

    func validate() throws {
        if let transport, Packet.Transport(rawValue: transport) == nil {
            throw ValidationError("--protocol '\(transport)' is not understood: tcp, udp or icmp")
        }
        if port == 0 { throw ValidationError("--port is 1 to 65535") }
    }

    /// What is asked, with the inventories that answer it.
    struct Asked: Sendable {
        var tracer: PathTracer
        var answer: Question.Answer
        /// The source address, if the user named one.
        var source: IPAddress?
        var inventories: [Inventory]

        /// Where namespaces have names.
        var directories: [String] {
            let own = ProcessInfo.processInfo.environment["CAUSEWAY_NAMESPACES_DIRECTORY"].map { [$0] } ?? []
            let named = inventories.flatMap(\.namespaces).map(\.path).filter { $0.hasPrefix("/run/") }
                .map { URL(filePath: $0).deletingLastPathComponent().path }
            return own + ["/run/netns", "/run/docker/netns"] + Set(named).sorted()
        }

        /// What could not be read, in words.
        var gaps: [String] {
            inventories.flatMap { inventory in
                inventory.gaps.map { "not read: \(inventories.count > 1 ? "\(inventory.hostname): " : "")\($0)" }
            }
        }
    }

    func ask() async throws -> Asked {
        let socket = try socket ?? at.flatMap { try LabFolder.usualManager(ofNode: $0) } ?? ControlClient.defaultPath
        let inventories = try await InventorySource.readAll([]) {
            try ControlClient(socketPath: socket).inventories()
        }
        let question = Question(
            target: target, from: from, transport: transport.flatMap { Packet.Transport(rawValue: $0) }, port: port,
            family: isIPv6 ? .ip6 : .ip)
        let source = from.flatMap { IPAddress($0) }
        do throws(PathError) {
            let tracer = try PathTracer(inventories, at: at ?? PathCommand.addressed(target, inventories))
            return Asked(
                tracer: tracer, answer: try tracer.resolve(question), source: source, inventories: inventories)
        } catch {
            guard case .malformed(let text, let why) = error else { throw error }
            throw ValidationError("'\(text)' is not understood: \(why)")
        }
    }
}
