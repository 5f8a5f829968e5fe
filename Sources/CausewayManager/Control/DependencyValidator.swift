import CausewayModel
import CausewayStore

/// Says no to secrets and configs, and to services' uses of them, in swarmkit's words.
struct DependencyValidator: Sendable {
    /// A content must be smaller, in bytes.
    static func limit(_ kind: Swarm.Dependency.Kind) -> Int { kind == .secret ? 500 * 1024 : 1000 * 1024 }

    let view: StoreSnapshot

    // MARK: objects

    func create(_ kind: Swarm.Dependency.Kind, _ spec: Swarm.DependencySpec) throws(SwarmError) {
        let name = spec.name ?? ""
        try Self.check(name: name)
        guard (1..<Self.limit(kind)).contains(spec.data?.count ?? 0) else {
            throw Refusal.invalid("\(kind) data must be larger than 0 and less than \(Self.limit(kind)) bytes")
        }
        if let templating = spec.templating, templating.name != Swarm.TemplateDriver.golang {
            throw Refusal.invalid(
                "unrecognized template type '\(templating.name ?? "")': the only one is \(Swarm.TemplateDriver.golang)")
        }
        guard !view.dependencies.all.contains(where: { $0.kind == kind && $0.name == name }) else {
            throw SwarmError(.conflict, "rpc error: code = AlreadyExists desc = \(kind) \(name) already exists")
        }
    }

    /// The object with new labels.
    func update(
        _ dependency: Swarm.Dependency, to spec: Swarm.DependencySpec
    ) throws(SwarmError) -> Swarm.Dependency {
        guard spec.name ?? "" == dependency.name, spec.data == nil || spec.data == dependency.spec.data else {
            throw Refusal.invalid("only updates to Labels are allowed")
        }
        var changed = dependency
        changed.spec.labels = spec.labels
        return changed
    }

    func remove(_ dependency: Swarm.Dependency) throws(SwarmError) {
        let users = view.services.sorted.filter { service in
            !service.isPendingDelete
                && service.spec.taskTemplate.containerSpec?.dependencies.contains { $0.id == dependency.id } == true
        }
        guard !users.isEmpty else { return }
        let names = users.map(\.spec.name).joined(separator: ", ")
        throw Refusal.invalid(
            "\(dependency.kind) '\(dependency.name)' is in use by the following "
                + "\(users.count == 1 ? "service" : "services"): \(names)")
    }

    /// `^[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?$`, at most 64 bytes.
    private static func check(name: String) throws(SwarmError) {
        guard !name.isEmpty else { throw Refusal.invalid("name must be provided") }
        guard name.utf8.count <= 64, let first = name.utf8.first, let last = name.utf8.last,
            Names.isAlphanumeric(first), Names.isAlphanumeric(last),
            name.utf8.allSatisfy({ Names.isAlphanumeric($0) || "-_.".utf8.contains($0) })
        else {
            throw Refusal.invalid(
                "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be "
                    + "[a-zA-Z0-9]")
        }
    }

    // MARK: uses

    /// Whether a service can use what it refers to.
    func check(_ container: Swarm.ContainerSpec) throws(SwarmError) {
        for kind in Swarm.Dependency.Kind.allCases {
            let references = container.dependencies.filter { $0.kind == kind }
            try Self.checkTargets(references, kind)
            let missing = references.filter { reference in
                guard let found = view.dependencies[reference.id] else { return true }
                return found.kind != kind || found.name != reference.name
            }
            guard missing.isEmpty else {
                let names = missing.map(\.name).joined(separator: ", ")
                throw Refusal.invalid("\(kind)\(missing.count == 1 ? "" : "s") not found: \(names)")
            }
        }
    }

    private static func checkTargets(
        _ references: [Swarm.DependencyReference], _ kind: Swarm.Dependency.Kind
    ) throws(SwarmError) {
        var taken: [String: String] = [:]
        for reference in references {
            guard !reference.id.isEmpty, !reference.name.isEmpty else {
                throw Refusal.invalid("malformed \(kind) reference")
            }
            guard let file = reference.file else {
                throw Refusal.invalid("malformed \(kind) reference, no target provided")
            }
            guard let target = file.name, !target.isEmpty, !target.contains("\0") else {
                let what = kind == .secret ? "file secret reference" : "file config reference"
                throw Refusal.invalid("malformed \(what), invalid target file name provided")
            }
            if let other = taken.updateValue(reference.name, forKey: target) {
                throw Refusal.invalid(
                    "\(kind) references '\(other)' and '\(reference.name)' have a conflicting target: '\(target)'")
            }
            for (id, word) in [(file.uid, "uid"), (file.gid, "gid")] {
                // Docker finds out when the task is to start, and fails it.
                guard let id, !id.isEmpty, UInt32(id) == nil else { continue }
                throw Refusal.invalid("\(word) '\(id)' of \(kind) '\(reference.name)' must be a number")
            }
        }
    }
}
