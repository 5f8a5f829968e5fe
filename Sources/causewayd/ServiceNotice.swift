import Glibc

/// Tells systemd how the daemon stands: sd_notify(3) without its library.
enum ServiceNotice {
    /// Sends a state such as `READY=1` to whoever started us with `Type=notify`.
    ///
    /// Does nothing when nobody asked to be told.
    static func send(_ state: String) {
        guard let named = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), !named.isEmpty else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A name that starts with `@` is of the abstract kind: its first byte is zero.
        var path = Array(named.utf8)
        if path[0] == UInt8(ascii: "@") { path[0] = 0 }
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        let size = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                sendto(socket, state, state.utf8.count, Int32(MSG_NOSIGNAL), target, size)
            }
        }
    }
}
