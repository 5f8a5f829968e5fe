import CausewayModel

/// A secret or a config as one task is to find it.
struct TaskDependency: Hashable, Sendable {
    /// Where it is in the container.
    var path: String
    var payload: Swarm.Payload
    var uid: UInt32
    var gid: UInt32
    /// The permission bits.
    var mode: UInt32
}

/// What a task's specification refers to, found among what its node was given.
enum TaskDependencies {
    /// Throws `unavailable` when something is not here yet, `refused` when it cannot be made a file of.
    static func resolved(
        _ task: Swarm.Task, _ given: [Swarm.AssignedDependency], nodeHostname: String
    ) throws(ContainerError) -> [TaskDependency] {
        let references = task.spec.containerSpec?.dependencies ?? []
        guard !references.isEmpty else { return [] }
        let template = TaskTemplate(task: task, nodeHostname: nodeHostname)
        let known = Dictionary(given.map { ($0.id, $0) }) { first, _ in first }
        var result: [TaskDependency] = []
        for reference in references {
            guard let found = known[reference.id] else {
                throw ContainerError(
                    .unavailable, "\(reference.kind) '\(reference.name)' has not come from the manager yet")
            }
            let file = reference.file ?? Swarm.FileTarget(name: reference.name)
            result.append(
                TaskDependency(
                    path: reference.path, payload: try filled(found, template, given),
                    uid: try number(file.uid, "uid", reference),
                    gid: try number(file.gid, "gid", reference), mode: (file.mode ?? 0) & 0o7777))
        }
        return result
    }

    private static func filled(
        _ found: Swarm.AssignedDependency, _ template: TaskTemplate, _ given: [Swarm.AssignedDependency]
    ) throws(ContainerError) -> Swarm.Payload {
        do throws(TaskTemplate.Failure) {
            return try template.filled(found, of: given)
        } catch {
            throw ContainerError(.refused, error.description)
        }
    }

    private static func number(
        _ text: String?, _ word: String, _ reference: Swarm.DependencyReference
    ) throws(ContainerError) -> UInt32 {
        guard let text, !text.isEmpty else { return 0 }
        guard let number = UInt32(text) else {
            throw ContainerError(.refused, "\(word) '\(text)' of \(reference.kind) '\(reference.name)' is no number")
        }
        return number
    }
}
