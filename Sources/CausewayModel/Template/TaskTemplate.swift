import FoundationEssentials

/// Fills in Swarm's templates (`{{.Task.Slot}}`) in what a task is made of, as its node knows it.
///
/// In host name, environment and mounts always; in the content of a secret or a config that is made a template.
package struct TaskTemplate: Sendable {
    /// Which template cannot be filled in, and why.
    package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        package var description: String
    }

    /// The processor, as Swarm calls it.
    #if arch(arm64)
        package static let architecture = "aarch64"
    #else
        package static let architecture = "x86_64"
    #endif

    private let task: Swarm.Task
    private let root: Template.Value

    package init(task: Swarm.Task, nodeHostname: String) {
        self.task = task
        let platform: [String: Template.Value] = ["Architecture": .text(Self.architecture), "OS": .text("linux")]
        root = .object([
            "Service": .object([
                "ID": .text(task.serviceID), "Name": .text(task.serviceName),
                "Labels": .map(task.serviceLabels.mapValues { .text($0) }),
            ]),
            "Node": .object([
                "ID": .text(task.nodeID ?? ""), "Hostname": .text(nodeHostname), "Platform": .object(platform),
            ]),
            "Task": .object([
                "ID": .text(task.id), "Name": .text(task.name),
                // In a global service Swarm puts the node in the slot's place.
                "Slot": .text(task.shownSlot > 0 ? "\(task.shownSlot)" : task.nodeID ?? ""),
            ]),
        ])
    }

    // MARK: the container

    package func filled(_ spec: Swarm.ContainerSpec) throws(Failure) -> Swarm.ContainerSpec {
        var spec = spec
        if let hostname = spec.hostname { spec.hostname = try fill(hostname, "expanding hostname failed") }
        spec.env = try environment(spec.env)
        for index in (spec.mounts ?? []).indices {
            guard let mount = spec.mounts?[index] else { continue }
            spec.mounts?[index] = try filled(mount)
        }
        return spec
    }

    /// Only values are templates.
    private func environment(_ lines: [String]?) throws(Failure) -> [String]? {
        guard let lines else { return nil }
        var result: [String] = []
        for line in lines {
            guard let sign = line.firstIndex(of: "=") else {
                result.append(line)
                continue
            }
            let value = String(line[line.index(after: sign)...])
            result.append("\(line[...sign])\(try fill(value, "expanding env failed: expanding env \"\(line)\""))")
        }
        return result
    }

    private func filled(_ mount: Swarm.Mount) throws(Failure) -> Swarm.Mount {
        var mount = mount
        let what = "expanding mounts failed: expanding mount"
        mount.target = try fill(mount.target, "\(what) target \"\(mount.target)\"")
        if let source = mount.source { mount.source = try fill(source, "\(what) source \"\(source)\"") }
        for (name, value) in mount.volumeOptions?.labels ?? [:] {
            mount.volumeOptions?.labels?[name] = try fill(value, "\(what) label \"\(name)\"")
        }
        return mount
    }

    private func fill(_ text: String, _ what: String) throws(Failure) -> String {
        // Nearly every text is none.
        guard text.utf8.contains(UInt8(ascii: "{")) else { return text }
        do throws(Template.Failure) {
            return String(decoding: try Template(text.utf8).fill(root), as: UTF8.self)
        } catch {
            throw Failure(description: "\(what): \(error)")
        }
    }

    // MARK: contents

    /// A content that is a template, filled in; it may ask for the task's other secrets and configs by their files'
    /// names, and for its environment.
    package func filled(
        _ dependency: Swarm.AssignedDependency, of given: [Swarm.AssignedDependency]
    ) throws(Failure) -> Swarm.Payload {
        guard dependency.isTemplate else { return dependency.payload }
        let container = task.spec.containerSpec
        let environment = try environment(container?.env) ?? []
        let functions: [String: Template.Function] = [
            "secret": { (values) throws(Template.Failure) in try Self.content(.secret, values, container, given) },
            "config": { (values) throws(Template.Failure) in try Self.content(.config, values, container, given) },
            "env": { (values) throws(Template.Failure) in
                let name = try Self.name(values)
                let line = environment.first { $0.hasPrefix("\(name)=") }
                return .text(line.map { String($0.dropFirst(name.count + 1)) } ?? "")
            },
        ]
        do throws(Template.Failure) {
            return Swarm.Payload(Data(try Template(dependency.payload.bytes).fill(root, functions: functions)))
        } catch {
            throw Failure(description: "expanding \(dependency.kind) failed: \(error)")
        }
    }

    /// The content as it is stored: templates in templates are not filled in.
    private static func content(
        _ kind: Swarm.Dependency.Kind, _ values: [Template.Value], _ container: Swarm.ContainerSpec?,
        _ given: [Swarm.AssignedDependency]
    ) throws(Template.Failure) -> Template.Value {
        let target = try name(values)
        let reference = container?.dependencies.first { $0.kind == kind && $0.file?.name == target }
        guard let found = given.first(where: { $0.id == reference?.id }) else {
            throw Template.Failure("\(kind) target \(target) not found")
        }
        return .text(String(decoding: found.payload.bytes, as: UTF8.self))
    }

    private static func name(_ values: [Template.Value]) throws(Template.Failure) -> String {
        guard values.count == 1, case .text(let name) = values[0] else { throw Template.Failure("it wants one text") }
        return name
    }
}
