import CausewayKernel
import Glibc

/// Kernel settings of the calling thread's namespace, by sysctl(8)'s names.
package enum Sysctl {
    /// `net.ipv4.conf.eth0/100.rp_filter` is the file net/ipv4/conf/eth0.100/rp_filter: dot and slash change places.
    package static func path(_ name: String) -> String? {
        let path = String(name.map { $0 == "." ? "/" : $0 == "/" ? "." : $0 })
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0.allSatisfy { $0 == "." } || $0.contains("\0") }) else {
            return nil
        }
        return "/proc/sys/\(path)"
    }

    /// The name that stands for a link in a sysctl's name.
    package static func component(_ link: String) -> String {
        String(link.map { $0 == "." ? "/" : $0 })
    }

    /// The value, its columns parted by one space; `nil` where there is no such setting.
    package static func read(_ name: String) throws(KernelError) -> String? {
        let step = "sysctl \(name)"
        guard let path = path(name) else { throw KernelError(step, errno: EINVAL, detail: "no sysctl has such a name") }
        guard let text = ProcFile.text(path) else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw KernelError(step, errno: errno)
        }
        return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    package static func write(_ name: String, _ value: String) throws(KernelError) {
        let step = "sysctl \(name) = \(value)"
        guard let path = path(name) else { throw KernelError(step, errno: EINVAL, detail: "no sysctl has such a name") }
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw KernelError(step, errno: errno) }
        defer { close(file) }
        let bytes = Array("\(value)\n".utf8)
        // In one piece: the kernel takes each write for a whole value.
        guard Glibc.write(file, bytes, bytes.count) == bytes.count else { throw KernelError(step, errno: errno) }
    }
}
