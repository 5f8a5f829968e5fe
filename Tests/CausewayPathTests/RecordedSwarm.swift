import CausewayKernel
import CausewayModel
import Foundation

@testable import CausewayPath

/// A real two-node Docker Swarm 20.10 with a client, recorded; and what captures saw of its packets.
struct RecordedSwarm {
    /// By host: the recording's files.
    var hosts: [String: [String: [UInt8]]] = [:]
    /// By the host that the task was on.
    var captures: [String: Capture] = [:]

    struct Capture: Decodable {
        var client_port: String
        /// The container that answered.
        var task: String
        var syn: [Sighting]
        var synack: [Sighting]
    }

    /// A packet at a device, as a capture has it.
    struct Sighting: Decodable {
        var ns: String
        var dev: String
        /// `In`, `Out`, or `P` for a frame that is another's.
        var dir: String
        var src: String
        var dst: String
        /// `VXLAN 192.168.77.11.52328 > 192.168.77.12.4789 vni 4096`.
        var outer: String
    }

    /// `renaming` is done in every file and in the captures.
    init(renaming names: [(String, String)] = []) throws {
        guard let folder = Bundle.module.url(forResource: "Fixtures/docker-swarm-20.10", withExtension: nil) else {
            throw CocoaError(.fileNoSuchFile)
        }
        for host in ["hosta", "hostb", "client"] {
            var files: [String: [UInt8]] = [:]
            for (name, bytes) in try Self.files(folder.appendingPathComponent(host)) {
                files[Self.rename(name, names)] = Self.rename(bytes, names)
            }
            hosts[Self.rename(host, names)] = files
        }
        let data = try Data(contentsOf: folder.appendingPathComponent("hops.json"))
        captures = try JSONDecoder().decode(
            [String: Capture].self, from: Data(Self.rename(Array(data), names)))
    }

    private static func files(_ folder: URL) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        let root = folder.resolvingSymlinksInPath().path
        for case let file as URL in FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)! {
            guard !file.hasDirectoryPath else { continue }
            files[String(file.resolvingSymlinksInPath().path.dropFirst(root.count + 1))] = Array(
                try Data(contentsOf: file))
        }
        return files
    }

    private static func rename(_ text: String, _ names: [(String, String)]) -> String {
        names.reduce(text) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    }

    private static func rename(_ bytes: [UInt8], _ names: [(String, String)]) -> [UInt8] {
        names.isEmpty ? bytes : Array(rename(String(decoding: bytes, as: UTF8.self), names).utf8)
    }

    func inventory(_ host: String) throws -> Inventory {
        try Recording(files: hosts[host] ?? [:], fallbackName: host).inventory()
    }

    /// Both nodes, and the client's machine.
    func inventories(_ names: [String] = ["hosta", "hostb", "client"]) throws -> [Inventory] {
        try names.map { try inventory($0) }
    }

    /// Changes one namespace of a host, as if it had been recorded so.
    static func with(
        _ inventories: [Inventory], _ host: String, _ namespace: String, edit: (inout NamespaceState) -> Void
    ) -> [Inventory] {
        inventories.map { inventory in
            guard inventory.hostname == host else { return inventory }
            var inventory = inventory
            for at in inventory.namespaces.indices where inventory.namespaces[at].name == namespace {
                edit(&inventory.namespaces[at])
            }
            return inventory
        }
    }

    /// Asks as the command line does.
    static func ask(
        _ inventories: [Inventory], _ target: String, from: String? = nil, at host: String? = nil, choice: Int = 0,
        clientPort: UInt16? = nil
    ) throws -> Trace {
        let tracer = try PathTracer(inventories, at: host)
        var answer = try tracer.resolve(Question(target: target, from: from, choice: choice))
        if let clientPort { answer.packet.sourcePort = clientPort }
        return try tracer.trace(
            answer.packet, from: answer.entry, names: answer.names, choice: choice, isReturning: true)
    }
}

/// What a capture on every device would have seen of a walked packet.
struct PredictedSighting: Hashable, CustomStringConvertible {
    var place: String
    var device: String
    var isIn: Bool
    var source: String
    var destination: String
    /// Addresses of the packet around it, and the network's number.
    var outer: String?

    var description: String {
        "\(place) \(device) \(isIn ? "in" : "out") \(source) > \(destination)" + (outer.map { " in \($0)" } ?? "")
    }

    /// A bridge is seen only where its own IP stack sends or gets the packet.
    static func all(_ leg: Trace.Leg) -> [PredictedSighting] {
        var sightings: [PredictedSighting] = []
        var inner: Packet?
        var number = ""
        for (at, hop) in leg.hops.enumerated() {
            if hop.stage.kind == .encapsulate {
                inner = hop.before
                number = hop.action.split(separator: " ")[2].filter(\.isNumber)
            }
            if hop.stage.kind == .decapsulate { inner = nil }
            let isIn: Bool
            switch hop.stage.kind {
            case .deviceIn: isIn = true
            case .deviceOut, .cross: isIn = false
            case .bridge:
                let comes = leg.hops[at - 1].stage.kind == .deviceIn
                let goes = [.cross, .deviceOut].contains(leg.hops[at + 1].stage.kind)
                if comes && goes { continue }
                isIn = comes
            default: continue
            }
            let shown = inner ?? hop.packet
            sightings.append(
                PredictedSighting(
                    place: "\(hop.place.host ?? "").\(hop.place.namespace)", device: hop.stage.name, isIn: isIn,
                    source: shown.sourceText, destination: shown.destinationText,
                    outer: inner.map { _ in
                        "\(hop.packet.source) > \(hop.packet.destination):\(hop.packet.destinationPort) \(number)"
                    }))
        }
        return sightings
    }

    /// The captured ones by the same names; `places` says which label is which namespace.
    static func captured(
        _ sightings: [RecordedSwarm.Sighting], places: [String: String]
    ) -> [PredictedSighting] {
        sightings.map { one in
            // `VXLAN ADDRESS.PORT > ADDRESS.PORT vni NUMBER`; the source port is a hash.
            let words = one.outer.split(separator: " ")
            func place(_ text: Substring) -> (Substring, Substring) {
                let dot = text.lastIndex(of: ".")!
                return (text[..<dot], text[text.index(after: dot)...])
            }
            let outer =
                words.count == 6
                ? "\(place(words[1]).0) > \(place(words[3]).0):\(place(words[3]).1) \(words[5])" : nil
            return PredictedSighting(
                place: places[one.ns] ?? one.ns, device: one.dev, isIn: one.dir != "Out", source: one.src,
                destination: one.dst, outer: outer)
        }
    }
}
