/// A call of an OCI runtime as far as it matters here; flags as runc 1.1 has them.
struct Invocation: Equatable {
    /// The subcommand, or `nil` for a call without one (`--version`).
    private(set) var subcommand: String?
    /// `--bundle`; the current directory when it is not given.
    private(set) var bundle = "."
    /// The container's identifier: the last argument of every subcommand that makes a container.
    private(set) var container: String?
    private(set) var log: String?
    private(set) var logsJSON = false

    /// Whether this call makes a container out of a bundle's `config.json`.
    var makesContainer: Bool { subcommand.map(["create", "run", "restore"].contains) ?? false }

    /// Global flags of runc that take their value as an argument of its own.
    private static let globalValues: Set<String> = ["log", "log-format", "root", "criu", "rootless"]

    /// Reads everything behind the program's name; what is not understood is left to the real runtime to refuse.
    init(_ arguments: [String]) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard let flag = Flag(argument) else {
                subcommand = argument
                break
            }
            let value = flag.value ?? (Self.globalValues.contains(flag.name) ? rest.popFirst() : nil)
            switch flag.name {
            case "log": log = value
            case "log-format": logsJSON = value == "json"
            default: break
            }
        }
        guard makesContainer else { return }
        container = rest.last.flatMap { Flag($0) == nil ? $0 : nil }
        readBundle(rest.dropLast())
    }

    private mutating func readBundle(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let argument = rest.popFirst() {
            guard let flag = Flag(argument), ["bundle", "b"].contains(flag.name) else { continue }
            bundle = flag.value ?? rest.popFirst() ?? bundle
        }
    }

    /// `-name`, `--name` or `--name=value`.
    private struct Flag {
        var name: String
        var value: String?

        init?(_ argument: String) {
            guard argument.hasPrefix("-"), argument != "-", argument != "--" else { return nil }
            let text = argument.drop { $0 == "-" }
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            name = String(parts[0])
            value = parts.count == 2 ? String(parts[1]) : nil
        }
    }
}
