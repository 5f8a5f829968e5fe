import Glibc

/// Points a bundle at its prepared namespace, when there is one.
struct Preparation {
    let invocation: Invocation
    let settings: Settings

    /// Does nothing for a call that makes no container, and for a container that no mapping file names.
    func run() throws(Refusal) {
        guard invocation.makesContainer, let container = invocation.container, Self.isPlainName(container),
            let namespace = try namespace(of: container)
        else { return }
        try wait(for: namespace, container: container)
        let path = "\(invocation.bundle)/config.json"
        guard let config = try File.readIfPresent(path) else {
            throw Refusal("cannot open \(path): the bundle has no configuration")
        }
        let edited: [UInt8]
        do throws(JSONText.Malformed) {
            edited = try BundleConfig.joining(namespace, in: config)
        } catch {
            throw Refusal("cannot put container \(container) into its namespace: \(path): \(error)")
        }
        if edited != config { try File.replace(path, with: edited) }
    }

    private func namespace(of container: String) throws(Refusal) -> String? {
        let file = "\(settings.runDirectory)/containers/\(container)"
        guard let bytes = try File.readIfPresent(file) else { return nil }
        let text = bytes.prefix { $0 != UInt8(ascii: "\n") }
        guard text.first == UInt8(ascii: "/"), text.allSatisfy({ $0 >= 0x20 }),
            let path = String(validating: text, as: UTF8.self)
        else { throw Refusal("\(file) does not name a network namespace: expected one absolute path") }
        return path
    }

    /// The agent may still be making the namespace, after a reboot for one; so it gets some time.
    private func wait(for namespace: String, container: String) throws(Refusal) {
        let pause = 10
        var left = settings.patience
        while !File.isNamespace(namespace) {
            guard left > 0 else {
                throw Refusal(
                    "network namespace \(namespace) of container \(container) is missing after "
                        + "\(settings.patience) ms; causewayd makes it: see whether causewayd runs")
            }
            usleep(useconds_t(pause * 1000))
            left -= pause
        }
    }

    /// What runc takes for an identifier; nothing that could leave the directory of the mapping files.
    private static func isPlainName(_ name: String) -> Bool {
        name != "." && name != ".."
            && name.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || "_+-.".utf8.contains($0)
            }
    }
}
