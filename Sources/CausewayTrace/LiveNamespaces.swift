import CausewayKernel
import CausewayLinux
import Glibc

/// Namespaces of this machine, found by their numbers and kept alive while they are traced.
package final class LiveNamespaces: Sendable {
    package struct Namespace: Sendable {
        package let inode: UInt64
        let descriptor: Int32

        /// The way in; it leads nowhere once the one that keeps it is gone.
        package var namespace: NetworkNamespace { NetworkNamespace(path: "/proc/self/fd/\(descriptor)") }
    }

    package let all: [Namespace]

    /// Looks for `wanted` under names in `directories`, and where processes live.
    package init(_ wanted: Set<UInt64>, directories: [String]) {
        var missing = wanted
        var found: [Namespace] = []
        func take(_ path: String) {
            guard !missing.isEmpty else { return }
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return }
            var (status, own) = (stat(), stat())
            guard fstat(descriptor, &status) == 0, stat("/proc/self/ns/net", &own) == 0,
                status.st_dev == own.st_dev, missing.remove(UInt64(status.st_ino)) != nil
            else {
                close(descriptor)
                return
            }
            found.append(Namespace(inode: UInt64(status.st_ino), descriptor: descriptor))
        }
        take("/proc/self/ns/net")
        for directory in directories {
            for name in Directory.entries(directory) ?? [] { take("\(directory)/\(name)") }
        }
        for process in Directory.entries("/proc") ?? [] where Int32(process) != nil {
            take("/proc/\(process)/ns/net")
        }
        all = found
    }

    deinit { for one in all { close(one.descriptor) } }

    package subscript(inode: UInt64) -> NetworkNamespace? { all.first { $0.inode == inode }?.namespace }

    /// Every rule's number, in every one of these namespaces.
    package func ruleHandles() async throws(KernelError) -> [UInt64: [(NetfilterSocket.ChainName, UInt64)]] {
        var found: [UInt64: [(NetfilterSocket.ChainName, UInt64)]] = [:]
        for one in all {
            found[one.inode] = try await one.namespace.performStep { () throws(KernelError) in
                do throws(NetlinkError) {
                    return try NetfilterSocket().ruleHandles().map { ($0.chain, $0.handle) }
                } catch {
                    throw error.kernelError("read the rules' numbers")
                }
            }
        }
        return found
    }
}
