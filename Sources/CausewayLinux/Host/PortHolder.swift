import CausewayKernel
import CausewayModel

/// A socket that has a port, and the process behind it where that can be told.
package struct PortHolder: Hashable, Sendable, CustomStringConvertible {
    package var `protocol`: Swarm.TransportProtocol
    package var address: IPAddress
    package var port: UInt16
    package var process: ProcessTable.Process?

    /// The process, as `sshd (pid 812)`.
    package var description: String {
        guard let process else { return "a socket on \(address)" }
        return "\(process.name) (pid \(process.id))"
    }

    /// Who takes packets to a port of a namespace, or keeps it from others, but for some processes; `nil` when nobody
    /// does.
    package static func find(
        _ protocol: Swarm.TransportProtocol, port: UInt16, exceptProcesses except: Set<Int32> = [],
        in namespace: NetworkNamespace = .host
    ) async throws(KernelError) -> PortHolder? {
        try await namespace.performStep { () throws(KernelError) in try find(`protocol`, port, except) }
    }

    /// Looks in the calling thread's namespace.
    private static func find(
        _ protocol: Swarm.TransportProtocol, _ port: UInt16, _ except: Set<Int32>
    ) throws(KernelError) -> PortHolder? {
        do throws(NetlinkError) {
            let sockets = try SocketDiagnostics().holders(`protocol`, port: port)
            guard !sockets.isEmpty else { return nil }
            let processes = ProcessTable(readsSockets: true).ofSocket
            for found in sockets {
                let process = processes[found.inode]
                if let process, except.contains(process.id) { continue }
                return PortHolder(protocol: `protocol`, address: found.address, port: port, process: process)
            }
            return nil
        } catch {
            throw error.kernelError("find who holds \(`protocol`.rawValue) port \(port)")
        }
    }
}
