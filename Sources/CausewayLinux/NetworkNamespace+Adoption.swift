import CLinux
import CausewayKernel
import Glibc

/// Namespaces whose name somebody took away: their processes, and their links, still live in them.
extension NetworkNamespace {
    /// Gives a namespace its name back, if a process lives in it.
    ///
    /// It is known by the host's end of its link, which was made with the namespace's name, or by its number in nsfs.
    /// Returns whether it was found.
    package static func adopt(
        name: String, inode: UInt64?, in directory: String = Self.directory
    ) async throws(KernelError) -> Bool {
        let step = "netns add \(name)"
        let processes = ProcessTable(readsSockets: false).ofNamespace
        return try await host.performStep { () throws(KernelError) in
            guard let process = try find(name, inode, processes, step) else { return false }
            try pin("/proc/\(process)/ns/net", name: name, in: directory, step)
            return true
        }
    }

    private static func find(
        _ name: String, _ inode: UInt64?, _ processes: [UInt64: Int32], _ step: String
    ) throws(KernelError) -> Int32? {
        if let inode, let process = processes[inode] { return process }
        do throws(NetlinkError) {
            let socket = try RouteSocket()
            let number = try socket.links().first {
                LinkAlias($0.alias).peer?.namespace == name && $0.peerNamespaceID != nil
            }?.peerNamespaceID
            guard let number else { return nil }
            for (_, process) in processes.sorted(by: { $0.value < $1.value }) {
                let descriptor = open("/proc/\(process)/ns/net", O_RDONLY | O_CLOEXEC)
                // It may have ended meanwhile.
                guard descriptor >= 0 else { continue }
                defer { close(descriptor) }
                if try socket.number(ofNamespace: descriptor) == number { return process }
            }
            return nil
        } catch {
            throw error.kernelError(step)
        }
    }
}
