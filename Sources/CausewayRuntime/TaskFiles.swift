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
        try attempt("remove \(path)") { try FileManager.default.removeIfThere(path) }
    }

    /// Removes the files of all tasks but these.
    func keep(of tasks: Set<Swarm.ID>) throws(ContainerError) {
        try attempt("remove the files of tasks in \(directory)/tasks") {
            try Self.keep(tasks, in: "\(directory)/tasks")
        }
    }

    /// Of a folder that has one for each task, removes those of all others; nothing is there before the first.
    static func keep(_ tasks: Set<Swarm.ID>, in folder: String) throws {
        guard FileManager.default.fileExists(atPath: folder) else { return }
        for task in try FileManager.default.contentsOfDirectory(atPath: folder) where !tasks.contains(task) {
            try FileManager.default.removeIfThere("\(folder)/\(task)")
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
