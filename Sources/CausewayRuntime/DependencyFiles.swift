import CausewayModel
import FoundationEssentials
import Glibc

/// The files of secrets and configs that containers have mounted: `FOLDER/TASK/NUMBER`, in the order of the task's
/// specification.
///
/// The folder is in memory, and root's alone. A container sees its own files, each by a mount of its own.
struct DependencyFiles: Sendable {
    let folder: String

    private func path(_ task: Swarm.ID, _ number: Int) -> String { "\(folder)/\(task)/\(number)" }

    /// What the container is to be made with.
    func mounts(of dependencies: [TaskDependency], task: Swarm.ID) -> [Swarm.Mount] {
        dependencies.enumerated().map { number, dependency in
            var mount = Swarm.Mount(type: "bind", source: path(task, number), target: dependency.path)
            mount.readOnly = true
            return mount
        }
    }

    /// Makes the files of a task; those that are there already get the same content once more.
    func write(_ dependencies: [TaskDependency], of task: Swarm.ID) throws(ContainerError) {
        guard !dependencies.isEmpty else { return }
        guard !task.isEmpty, !task.contains("/"), !task.hasPrefix(".") else {
            throw ContainerError(.refused, "'\(task)' is no task's identifier")
        }
        try attempt("make \(folder)/\(task)") {
            try FileManager.default.createDirectory(
                atPath: "\(folder)/\(task)", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        for (number, dependency) in dependencies.enumerated() {
            try Self.write(dependency, to: path(task, number))
        }
    }

    /// Removes the files of all tasks but these.
    func keep(of tasks: Set<Swarm.ID>) throws(ContainerError) {
        try attempt("remove secrets and configs in \(folder)") { try TaskFiles.keep(tasks, in: folder) }
    }

    /// Nobody but root can read it before it has its owner and its mode.
    private static func write(_ dependency: TaskDependency, to path: String) throws(ContainerError) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure("make", path) }
        defer { close(file) }
        var rest = dependency.payload.bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", path) }
            rest = rest.dropFirst(count)
        }
        guard fchown(file, dependency.uid, dependency.gid) == 0 else { throw failure("give away", path) }
        guard fchmod(file, dependency.mode) == 0 else { throw failure("set the mode of", path) }
    }

    private static func failure(_ verb: String, _ path: String) -> ContainerError {
        ContainerError(.unavailable, "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }

    private func attempt(_ what: String, _ body: () throws -> Void) throws(ContainerError) {
        do { try body() } catch { throw ContainerError(.unavailable, "cannot \(what): \(error)") }
    }
}
