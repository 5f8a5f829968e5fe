import CausewayKernel
import Glibc
import Synchronization

/// Compares the sysctls of many namespaces with what they should be, cheaply enough for every second.
///
/// The kernel tells nobody when most of them change. Their files are opened once in each namespace, and read without
/// entering it; an open file of /proc/sys keeps no namespace alive.
package final class SysctlWatch: Sendable {
    private struct Open {
        var files: [String: Int32] = [:]
        /// The namespace in which they were opened.
        var inode: UInt64 = 0
    }

    private let open = Mutex<[String: Open]>([:])

    package init() {}

    deinit {
        for path in open.withLock({ Array($0.keys) }) { shut(path) }
    }

    /// Whether every value is as wanted.
    ///
    /// A setting that is not there, or cannot be read, is not as wanted: the look that follows says why.
    package func agrees(_ namespace: NetworkNamespace, with wanted: [String: String]) async throws(KernelError) -> Bool
    {
        let inode = try namespace.inode
        if open.withLock({ $0[namespace.path]?.inode != inode || $0[namespace.path]?.files.count != wanted.count }) {
            shut(namespace.path)
            let files = try await namespace.performStep { () throws(KernelError) in Self.openAll(wanted.keys) }
            open.withLock { $0[namespace.path] = Open(files: files, inode: inode) }
        }
        let agrees = open.withLock { open in
            let files = open[namespace.path]?.files ?? [:]
            return wanted.allSatisfy { name, value in files[name].flatMap(Self.read) == value }
        }
        // A link that was made anew has files of its own.
        if !agrees { shut(namespace.path) }
        return agrees
    }

    /// Lets go of the files of all namespaces but these.
    package func keep(_ paths: Set<String>) {
        for path in open.withLock({ $0.keys.filter { !paths.contains($0) } }) { shut(path) }
    }

    private func shut(_ path: String) {
        let files = open.withLock { $0.removeValue(forKey: path)?.files ?? [:] }
        for file in files.values { close(file) }
    }

    private static func openAll(_ names: some Sequence<String>) -> [String: Int32] {
        var files: [String: Int32] = [:]
        for name in names {
            guard let path = Sysctl.path(name) else { continue }
            let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
            if file >= 0 { files[name] = file }
        }
        return files
    }

    /// As ``Sysctl/read(_:)`` gives it.
    private static func read(_ file: Int32) -> String? {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            let count = pread(file, buffer.baseAddress, buffer.count, 0)
            guard count >= 0 else { return nil }
            let text = String(decoding: buffer[..<count], as: UTF8.self)
            return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }
}
