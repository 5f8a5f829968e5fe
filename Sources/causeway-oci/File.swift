import Glibc

/// The few file operations needed here, with errors that name the file.
enum File {
    /// The largest file read: a configuration above this is refused rather than held in memory.
    static let limit = 16 << 20

    /// Returns `nil` when there is no such file; any other failure is thrown.
    static func readIfPresent(_ path: String) throws(Refusal) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw Refusal("cannot open \(path): \(errorText(errno))")
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Refusal("cannot read \(path): \(errorText(errno))") }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw Refusal("\(path) is larger than \(limit) bytes") }
        }
    }

    /// Replaces the file's content at once: readers see the old or the new, whole.
    ///
    /// Mode and owner stay.
    static func replace(_ path: String, with bytes: [UInt8]) throws(Refusal) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw Refusal("cannot look at \(path): \(errorText(errno))") }
        let temporary = "\(path).causeway-\(getpid())"
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw Refusal("cannot create \(temporary): \(errorText(errno))") }
        let written =
            writeAll(file, bytes) && fchown(file, status.st_uid, status.st_gid) == 0
            && fchmod(file, status.st_mode & 0o7777) == 0
        let failure = errno
        close(file)
        guard written, rename(temporary, path) == 0 else {
            let cause = errorText(written ? errno : failure)
            unlink(temporary)
            throw Refusal("cannot write \(path): \(cause)")
        }
    }

    /// Writes everything, or returns false with `errno` set.
    static func writeAll(_ file: CInt, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Whether both paths lead to one file; false when either leads nowhere.
    static func isSame(_ first: String, _ second: String) -> Bool {
        var a = stat()
        var b = stat()
        return stat(first, &a) == 0 && stat(second, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino
    }

    /// Whether `path` is a namespace: on the device of the kernel's nsfs, not the empty file that it is mounted on.
    static func isNamespace(_ path: String) -> Bool {
        var there = stat()
        var own = stat()
        return stat(path, &there) == 0 && stat("/proc/self/ns/net", &own) == 0 && there.st_dev == own.st_dev
    }
}
