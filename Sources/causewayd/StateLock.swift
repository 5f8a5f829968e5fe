import Glibc

/// Held while a daemon uses its state: two on one folder would undo each other.
struct StateLock: Sendable {
    private let file: CInt

    init(directory: String) throws {
        let path = "\(directory)/lock"
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            throw Taken(description: "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            throw Taken(
                description: "another causewayd uses \(directory); stop it, or give this one its own --state-dir")
        }
    }

    func release() { close(file) }

    struct Taken: Error, CustomStringConvertible { let description: String }
}
