import FoundationEssentials
import Glibc

/// The path of a unix socket that one process at a time serves.
///
/// A lock beside it (`PATH.lock`) says whether somebody does; a socket that nobody serves is removed.
final class SocketFile: Sendable {
    /// Why a path cannot be served on.
    struct Refused: Error, Hashable, Sendable, CustomStringConvertible {
        var description: String
    }

    let path: String
    private let lock: Int32

    init(claiming path: String) throws(Refused) {
        self.path = path
        try Self.makeFolder(of: path)
        lock = Glibc.open(path + ".lock", O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw Self.refusal("open", path + ".lock") }
        do throws(Refused) {
            guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
                throw Refused(
                    description: errno == EWOULDBLOCK
                        ? "\(path) is served by another process, which holds \(path).lock; stop that one first"
                        : "cannot lock \(path).lock: \(Self.reason)")
            }
            try Self.removeStale(path)
        } catch {
            close(lock)
            throw error
        }
    }

    deinit { close(lock) }

    /// Lets the owner and a group connect.
    ///
    /// Before that only root can: the kernel asks for write permission.
    func open(to group: String) throws(Refused) {
        if let entry = getgrnam(group), chown(path, 0, entry.pointee.gr_gid) != 0 {
            throw Self.refusal("give to group \(group)", path)
        }
        guard chmod(path, 0o660) == 0 else { throw Self.refusal("set the mode of", path) }
    }

    /// Removes the socket.
    ///
    /// The lock's file stays: to remove it would let two processes lock two files.
    func remove() { unlink(path) }

    private static func makeFolder(of path: String) throws(Refused) {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let folder = String(path[..<slash])
        guard mkdir(folder, 0o755) != 0, errno != EEXIST else { return }
        throw refusal("make the folder", folder)
    }

    private static func removeStale(_ path: String) throws(Refused) {
        // Looks at the path itself, not at where a symbolic link leads.
        guard let found = try? FileManager.default.attributesOfItem(atPath: path) else { return }
        guard found[.type] as? FileAttributeType == .typeSocket else {
            throw Refused(description: "\(path) is not a socket; move it away, or choose another path")
        }
        guard unlink(path) == 0 else { throw refusal("remove the stale socket", path) }
    }

    private static func refusal(_ step: String, _ path: String) -> Refused {
        Refused(description: "cannot \(step) \(path): \(reason)")
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
