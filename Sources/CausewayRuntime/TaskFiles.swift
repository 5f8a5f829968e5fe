import CausewayModel
import FoundationEssentials

/// The files that go with containers, below the daemon's run directory.
///
/// - `containers/CONTAINER` says which namespace a container is to be started in; `causeway-oci` reads it.
/// - `tasks/TASK/hosts` is mounted on the container's `/etc/hosts`.
struct TaskFiles: Sendable {
    let directory: String

    func hosts(of task: Swarm.ID) -> String { "\(directory)/tasks/\(task)/hosts" }

    /// Makes the file if it is missing.
    ///
    /// It is changed in place: a mount shows the file that it was made with.
    func write(hosts text: String, of task: Swarm.ID) throws(ContainerError) {
        let path = hosts(of: task)
        try attempt("write \(path)") {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/tasks/\(task)", withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: path))
        }
    }

    /// Written under another name and renamed, so that nobody reads half a path.
    func write(namespacePath: String, of container: String) throws(ContainerError) {
        let path = "\(directory)/containers/\(container)"
        try attempt("write \(path)") {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/containers", withIntermediateDirectories: true)
            try Data(namespacePath.utf8).write(to: URL(filePath: path), options: .atomic)
        }
    }

    func remove(container: String, task: Swarm.ID) throws(ContainerError) {
        var paths = ["\(directory)/containers/\(container)"]
        // An empty identifier would name the directory of all tasks.
        if !task.isEmpty && !task.contains("/") { paths.append("\(directory)/tasks/\(task)") }
        for path in paths where FileManager.default.fileExists(atPath: path) {
            try attempt("remove \(path)") { try FileManager.default.removeItem(atPath: path) }
        }
    }

    private func attempt(_ what: String, _ body: () throws -> Void) throws(ContainerError) {
        do {
            try body()
        } catch {
            throw ContainerError(.unavailable, "cannot \(what): \(error)")
        }
    }
}
