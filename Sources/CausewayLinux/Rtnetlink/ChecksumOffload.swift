import CLinux
import CausewayKernel
import Glibc

/// Whether a link leaves the checksums of what it sends to the hardware below it: `tx` of ethtool(8).
package enum ChecksumOffload {
    /// In the calling thread's namespace; absent when there is no such link.
    package static func isOn(_ link: String) throws(KernelError) -> Bool? {
        try withSocket("read checksum offload of \(link)") { socket, step throws(KernelError) in
            var found = clinux_link()
            let failure = clinux_read_link(socket, link, &found)
            if failure == ENODEV { return nil }
            guard failure == 0 else { throw KernelError(step, errno: failure) }
            return found.checksum_offload != 0
        }
    }

    /// In the calling thread's namespace.
    package static func set(_ isOn: Bool, of link: String) throws(KernelError) {
        try withSocket("ethtool -K \(link) tx \(isOn ? "on" : "off")") { socket, step throws(KernelError) in
            let failure = clinux_set_checksum_offload(socket, link, isOn ? 1 : 0)
            guard failure == 0 else { throw KernelError(step, errno: failure) }
        }
    }

    private static func withSocket<R>(
        _ step: String, _ body: (CInt, String) throws(KernelError) -> R
    ) throws(KernelError) -> R {
        let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw KernelError(step, errno: errno) }
        defer { close(descriptor) }
        return try body(descriptor, step)
    }
}
