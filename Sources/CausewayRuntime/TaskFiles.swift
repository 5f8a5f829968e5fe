import CausewayModel
import FoundationEssentials

/// The files that go with the containers of tasks.
///
/// - `tasks/TASK/hosts`, below the daemon's run directory, is mounted on the container's `/etc/hosts`.
/// - ``PlaceFiles`` say which namespace a container is to be started in.
struct TaskFiles: Sendable {
    let directory: String
    let places: PlaceFiles

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
            // A container's programs read it, whoever they run as.
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        }
    }

    func write(namespacePath: String, of container: String) throws(ContainerError) {
        try attempt("write the place of \(container)") { try places.write([namespacePath], of: container) }
    }

    func remove(container: String, task: Swarm.ID) throws(ContainerError) {
        try attempt("remove the place of \(container)") { try places.remove(container: container) }
        // An empty identifier would name the directory of all tasks.
        guard !task.isEmpty, !task.contains("/") else { return }
        let path = "\(directory)/tasks/\(task)"
        guard FileManager.default.fileExists(atPath: path) else { return }
        try attempt("remove \(path)") { try FileManager.default.removeItem(atPath: path) }
    }

    private func attempt(_ what: String, _ body: () throws -> Void) throws(ContainerError) {
        do {
            try body()
        } catch {
            throw ContainerError(.unavailable, "cannot \(what): \(error)")
        }
    }
}
