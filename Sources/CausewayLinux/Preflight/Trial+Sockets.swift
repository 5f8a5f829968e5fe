import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// Sockets: those that names and ports need, and netlink's.
extension Trial {
    static var sockets: [Trial] {
        [
            Trial(
                "TCP and UDP sockets in a namespace", disables: "names within tasks, held ports", remedy: ""
            ) { () throws(KernelError) in
                for kind in [SOCK_STREAM, SOCK_DGRAM] { try bindTwice(kind) }
            },
            Trial(
                "SO_REUSEPORT", disables: "a resolver that is replaced while it serves", remedy: "", isEssential: false
            ) {
                () throws(KernelError) in
                try withSocket(AF_INET, SOCK_DGRAM) { descriptor in
                    var one: Int32 = 1
                    return setsockopt(
                        descriptor, SOL_SOCKET, SO_REUSEPORT, &one, socklen_t(MemoryLayout<Int32>.size))
                }
            },
            Trial(
                "conntrack over netlink", disables: "datagrams that follow a service at once",
                remedy: "load the module: modprobe nf_conntrack_netlink", isEssential: false
            ) { () throws(KernelError) in
                do throws(NetlinkError) {
                    let type = UInt16(IPCTNL_MSG_CT_GET.rawValue)
                    _ = try NetlinkSocket(.netfilter).dump(.netfilter(UInt16(NFNL_SUBSYS_CTNETLINK), type))
                } catch {
                    throw error.kernelError("dump conntrack")
                }
            },
            Trial(
                "listening to other namespaces (NETLINK_LISTEN_ALL_NSID)",
                disables: "repair on the event within tasks' namespaces: the timer does it", remedy: "",
                isEssential: false
            ) { () throws(KernelError) in
                do throws(NetlinkError) {
                    let socket = try NetlinkSocket(.route)
                    var one: Int32 = 1
                    let size = socklen_t(MemoryLayout<Int32>.size)
                    // SOL_NETLINK, NETLINK_LISTEN_ALL_NSID
                    guard setsockopt(socket.descriptor, 270, 8, &one, size) == 0 else {
                        throw NetlinkError(.call("setsockopt"), errno: errno)
                    }
                } catch {
                    throw error.kernelError("listen to all namespaces")
                }
            },
        ]
    }

    /// A port that a socket has is refused to another: that is what holding a port rests on.
    private static func bindTwice(_ kind: __socket_type) throws(KernelError) {
        let first = socket(AF_INET, Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard first >= 0 else { throw KernelError("make a socket", errno: errno) }
        defer { close(first) }
        let failure = bind(first)
        guard failure == 0 else { throw KernelError("bind a port", errno: failure) }
        try withSocket(AF_INET, kind) { second in
            switch bind(second) {
            case EADDRINUSE: 0
            default: -1
            }
        }
    }

    private static func bind(_ descriptor: Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(47_053).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return status == 0 ? 0 : errno
    }

    private static func withSocket(
        _ family: Int32, _ kind: __socket_type, _ body: (Int32) -> Int32
    ) throws(KernelError) {
        let descriptor = socket(family, Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw KernelError("make a socket", errno: errno) }
        defer { close(descriptor) }
        guard body(descriptor) == 0 else { throw KernelError("use a socket", errno: errno) }
    }
}

/// eBPF on connect(2) of control groups: what could lead loopback to published ports without a relay.
enum CgroupProgram {
    static func result() -> Preflight.Result {
        let failure = clinux_try_cgroup_program()
        let words = String(cString: strerror(failure))
        return Preflight.Result(
            name: "eBPF programs of control groups", missing: failure == 0 ? nil : "\(words) (errno \(failure))",
            disables: "nothing now: loopback goes through the relay", remedy: "", isEssential: false)
    }
}
