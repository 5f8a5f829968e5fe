import ArgumentParser
import CausewayKernel
import CausewayModel
import CausewayPath
import Foundation

/// The command `causeway path TARGET`.
struct PathCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, svg, html, json }

    static let configuration = CommandConfiguration(
        commandName: "path",
        abstract: "Shows everything that a packet to TARGET meets, hop by hop, from the kernel's own state.",
        discussion: """
            TARGET is a service (web), a service's port (web:8080), host:PORT, a task (web.1), a container, or an \
            address with or without a port. A service from outside means its published port; from a task it means its \
            virtual IP.

            Example:
              causeway path web:8080 --return
              causeway path web --from task:client.1 --format svg -o path.svg
              causeway path web:8080 --at n2 --return
              causeway path web:8080 --input n1.json --input n2.json

            In a swarm the daemon hands over the other nodes' state, and the packet is followed into tunnels and out of \
            them. Nothing is sent and nothing is changed; without a daemon this host alone is shown. Read as root, or \
            much stays hidden.

            Exit status: 0 the packet arrives, 3 it is refused or dropped, 4 not certain, 64 usage, 1 other errors.
            """)

    @Argument(help: "A service, service:port, host:port, a task, a container or an address.")
    var target: String

    @Option(
        help: ArgumentHelp(
            "Where the packet comes from: an outside address, 'host', or task:NAME.", valueName: "origin"))
    var from: String?

    @Flag(name: .customLong("return"), help: "Walk the answer's way back as well.")
    var isReturning = false

    @Option(help: "text, svg, html or json. Default: by the name of the output file, else text.")
    var format: Format?

    @Option(name: [.customShort("o"), .long], help: "Write to this file.")
    var output: String?

    @Flag(help: "Draw with ASCII characters alone.")
    var ascii = false

    @Option(help: "Follow this candidate of the balancing decision, counted from 1.")
    var choose: Int = 1

    @Option(name: .customLong("protocol"), help: "tcp, udp or icmp. Default: what TARGET publishes, else tcp.")
    var transport: String?

    @Option(help: "The port, when TARGET does not say it.")
    var port: UInt16?

    @Flag(name: .customShort("6"), help: "Use IPv6 where TARGET has both.")
    var isIPv6 = false

    @Option(help: "Read this snapshot, or folder of a recording, instead of the kernel; once for each host.")
    var input: [String] = []

    @Option(help: ArgumentHelp("The node that is asked. Default: the one in TARGET, else this one.", valueName: "node"))
    var at: String?

    @Option(help: "The packet's length in bytes, to see whether it fits. Default: it does.")
    var size: Int?

    @Option(help: "The daemon's control socket: it has the other nodes' state. Default: the lab's, if NODE is of one.")
    var socket: String?

    func validate() throws {
        guard choose >= 1 else { throw ValidationError("--choose counts from 1") }
        if let transport, Packet.Transport(rawValue: transport) == nil {
            throw ValidationError("--protocol '\(transport)' is not understood: tcp, udp or icmp")
        }
        if let size, !(28...65_535).contains(size) { throw ValidationError("--size is 28 to 65535") }
        if port == 0 { throw ValidationError("--port is 1 to 65535") }
    }

    func run() async throws {
        let socket = try socket ?? at.flatMap { try LabFolder.usualManager(ofNode: $0) } ?? ControlClient.defaultPath
        let inventories = try await InventorySource.readAll(input) {
            try ControlClient(socketPath: socket).inventories()
        }
        let trace = try trace(inventories)
        try Console.write(try render(trace), to: output)
        for inventory in inventories {
            let whose = inventories.count > 1 ? "\(inventory.hostname): " : ""
            for gap in inventory.gaps { Console.note("not read: \(whose)\(gap)") }
        }
        if let status = Self.status(of: trace) { throw ExitCode(status) }
    }

    private func trace(_ inventories: [Inventory]) throws -> Trace {
        let question = Question(
            target: target, from: from, transport: transport.flatMap { Packet.Transport(rawValue: $0) }, port: port,
            family: isIPv6 ? .ip6 : .ip, choice: choose - 1)
        do {
            let tracer = try PathTracer(inventories, at: at ?? addressed(inventories))
            var answer = try tracer.resolve(question)
            answer.packet.length = size
            let trace = try tracer.trace(
                answer.packet, from: answer.entry, names: answer.names, choice: choose - 1, isReturning: isReturning)
            let count = trace.candidates.count
            guard choose == 1 || choose <= count else {
                throw ValidationError(
                    count == 0 ? "--choose \(choose): no balancing decision is met" : "--choose is 1 to \(count) here")
            }
            return trace
        } catch PathError.malformed(let text, let why) {
            throw ValidationError("'\(text)' is not understood: \(why)")
        }
    }

    /// The node that TARGET itself names: `n2:8080`.
    private func addressed(_ inventories: [Inventory]) -> String? {
        let name = target.lastIndex(of: ":").map { String(target[..<$0]) } ?? target
        let address = IPAddress(name.trimmingCharacters(in: ["[", "]"]))
        return inventories.first { inventory in
            if inventory.hostname == name { return true }
            guard let address, let host = inventory.namespaces.first else { return false }
            return host.addresses.contains { $0.link != "lo" && $0.address.address == address }
        }?.hostname
    }

    private func render(_ trace: Trace) throws -> String {
        switch format ?? byName {
        case .text: return TextRenderer(isASCII: ascii || Self.wantsASCII).render(trace)
        case .svg: return SVGRenderer().render(trace)
        case .html: return HTMLRenderer().render(trace)
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(trace), as: UTF8.self) + "\n"
        }
    }

    private var byName: Format {
        let ending = output.map { URL(fileURLWithPath: $0).pathExtension.lowercased() } ?? ""
        return Format(rawValue: ending) ?? .text
    }

    /// A locale that says it has nothing but ASCII.
    private static var wantsASCII: Bool {
        let environment = ProcessInfo.processInfo.environment
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        return locale == "C" || locale == "POSIX"
    }

    /// `nil` for success.
    private static func status(of trace: Trace) -> Int32? {
        if !trace.isCertain { return 4 }
        switch trace.verdict.outcome {
        case .delivered, .sent: return nil
        case .refused, .dropped: return 3
        }
    }
}
