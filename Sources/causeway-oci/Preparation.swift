import Glibc

/// Points a bundle at its prepared namespace, when there is one.
struct Preparation {
    let invocation: Invocation
    let settings: Settings

    /// Does nothing for a call that makes no container, and for a container that no mapping file names.
    func run() throws(Refusal) {
        guard invocation.makesContainer, let container = invocation.container, Self.isPlainName(container),
            let place = try place(of: container)
        else { return }
        try wait(for: place, container: container)
        let path = "\(invocation.bundle)/config.json"
        guard let config = try File.readIfPresent(path) else {
            throw Refusal("cannot open \(path): the bundle has no configuration")
        }
        let edited: [UInt8]
        do throws(JSONText.Malformed) {
            edited = try BundleConfig.joining(place.namespace, in: config)
        } catch {
            throw Refusal("cannot put container \(container) into its namespace: \(path): \(error)")
        }
        if edited != config { try File.replace(path, with: edited) }
    }

    private func place(of container: String) throws(Refusal) -> Place? {
        let file = "\(try settings.stateDirectory())/containers/\(container)"
        guard let bytes = try File.readIfPresent(file) else { return nil }
        guard let place = Place(bytes) else {
            throw Refusal("\(file) does not name a network namespace: expected one absolute path in its first line")
        }
        return place
    }

    /// The agent may still be making the namespace, after a reboot for one, or may not run yet; so it gets some time.
    ///
    /// A user's container is announced to it, so that its names and ports lead to it, and those of another one that
    /// holds its ports are respected. Without an agent a namespace that is complete is entered all the same.
    private func wait(for place: Place, container: String) throws(Refusal) {
        let patience = try settings.patience()
        let deadline = Clock.milliseconds + patience
        var isAnnounced = false
        while true {
            let left = deadline - Clock.milliseconds
            if let agent = place.agent, !isAnnounced {
                isAnnounced = try announce(container, to: agent, patience: max(left, 1000))
            }
            let isReady = place.marker.map(File.exists) ?? true
            if isReady, File.isNamespace(place.namespace) { return }
            guard left > 0 else {
                throw Refusal(
                    "network namespace \(place.namespace) of container \(container) is not there, or not complete, "
                        + "after \(patience) ms; causewayd makes it: see whether causewayd runs, and what its log says")
            }
            usleep(useconds_t((place.agent == nil || isAnnounced ? 10 : 100) * 1000))
        }
    }

    /// Whether the agent was there to be told.
    private func announce(_ container: String, to agent: String, patience: Int) throws(Refusal) -> Bool {
        switch AgentSocket(path: agent).start(container, patience: patience) {
        case .known: return true
        case .away: return false
        case .unknown:
            throw Refusal(
                "causewayd does not know container \(container): it left its swarm, or its networks were removed; "
                    + "remove the container and make it again")
        case .refused(let why): throw Refusal(why)
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
