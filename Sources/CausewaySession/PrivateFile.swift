import CausewayModel
import Foundation

/// Files that nobody but root may read, and that are whole at every moment.
enum PrivateFile {
    /// `nil`: there is none.
    static func read(_ path: String) throws(SwarmError) -> Data? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw SwarmError(.internal, "cannot read \(path): \(error)")
        }
    }

    /// Writes beside it and renames, so that a reader sees the old or the new, also after a power cut.
    static func write(_ data: Data, to path: String) throws(SwarmError) {
        let beside = "\(path).new"
        // What an earlier run left may have another mode.
        unlink(beside)
        let descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("create", beside) }
        var isWritten = data.withUnsafeBytes { writeAll($0, to: descriptor) }
        isWritten = isWritten && fsync(descriptor) == 0
        let written = isWritten ? nil : failure("write", beside)
        close(descriptor)
        if let written { throw written }
        guard rename(beside, path) == 0 else { throw failure("rename \(beside) to", path) }
    }

    static func remove(_ path: String) throws(SwarmError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        }
        return true
    }

    private static func failure(_ verb: String, _ path: String) -> SwarmError {
        SwarmError(.internal, "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}
