import CausewayTestKit
import Foundation

/// The machine on which the acceptance tests run: one of its own, made by `scripts/machine`.
enum Machine {
    static let environment = ProcessInfo.processInfo.environment

    /// Whether the tests may run: they change a machine's network, so never on one that is not theirs.
    static let isHere = environment["CAUSEWAY_ACCEPTANCE"] != nil && environment["CAUSEWAY_MACHINE"] != nil

    static let why = "they change the network of the machine: run them with scripts/test acceptance"

    /// The repository.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func executable(_ name: String) -> String {
        environment["CAUSEWAY_BIN"].map { "\($0)/\(name)" } ?? root.appending(path: ".build/debug/\(name)").path
    }

    /// The numbers of the issue, or fewer of each for a run between two thoughts.
    static let isFull = environment["CAUSEWAY_FULL"] != nil
    static let requests = isFull ? 10_000 : 2_000
    static let generatedCases = isFull ? 200 : 40
    static let seed = environment["CAUSEWAY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1 << 32)

    /// How many times longer everything may take: the guest of scripts/vm has no acceleration.
    static let slowness = VirtualMachine.isHere ? 6 : 1

    // What `scripts/machine` gave it.
    static let address = "198.51.100.2"
    static let address6 = "2001:db8:100::2"
    static let client = "203.0.113.9"
    static let client6 = "2001:db8:203::9"
    static let outside = "outside"

    /// Where a command can be run.
    enum Place: Sendable, CustomStringConvertible {
        case host
        /// The namespace that is all of the world outside.
        case outside
        /// A named namespace, with the host's own files and tools.
        case namespace(String)
        /// The network of a process, with the host's own files and tools.
        case process(String)
        /// A container, with its files and tools.
        case container(String)

        var description: String {
            switch self {
            case .host: "the host"
            case .outside: "outside"
            case .namespace(let name): name
            case .process(let id): "the network of process \(id)"
            case .container(let id): "container \(id.prefix(12))"
            }
        }

        func wrap(_ words: [String]) -> [String] {
            switch self {
            case .host: words
            case .outside: ["ip", "netns", "exec", Machine.outside] + words
            case .namespace(let name): ["ip", "netns", "exec", name] + words
            case .process(let id): ["nsenter", "--net=/proc/\(id)/ns/net"] + words
            case .container(let id): ["docker", "exec", id] + words
            }
        }
    }
}

/// Runs a command somewhere, whatever comes of it.
func attempt(at place: Machine.Place, _ words: String...) async throws -> Command.Said {
    var command = Command(place.wrap(words))
    command.environment["DOCKER_HOST"] = "unix://\(Cluster.engineSocket)"
    return try await command.attempt()
}

/// Numbers by chance that a seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
