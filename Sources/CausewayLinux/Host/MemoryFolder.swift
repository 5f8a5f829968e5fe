import CLinux
import Glibc

/// A folder whose files are in memory: what must not lie on a disk.
package enum MemoryFolder {
    /// Why there is none.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String

        fileprivate init(_ what: String) { description = "cannot \(what): \(String(cString: strerror(errno)))" }
    }

    /// Makes the folder, root's alone; mounts a tmpfs on it where the file system that it is in is on a disk.
    ///
    /// `/run` is in memory already, nearly everywhere. Where it is not, what is mounted is the daemon's to leave: the
    /// tasks' files in it outlive the daemon.
    package static func make(_ path: String) throws(Failure) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Failure("make \(path)") }
        switch clinux_is_in_memory(path) {
        case 0:
            // Kernels before 6.4 do not know `noswap`.
            for options in ["mode=0700,noswap", "mode=0700"] {
                if mount("tmpfs", path, "tmpfs", UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC), options) == 0 { return }
            }
            throw Failure("mount a tmpfs on \(path)")
        case 1:
            guard chmod(path, 0o700) == 0 else { throw Failure("close \(path) to others") }
        default: throw Failure("see what file system \(path) is in")
        }
    }
}
