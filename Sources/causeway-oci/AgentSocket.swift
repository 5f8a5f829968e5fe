import Glibc

/// The daemon's control socket, as far as a start is concerned: `POST /containers/ID/start`, HTTP/1.1.
struct AgentSocket {
    enum Answer: Equatable {
        /// The container may run: names and ports lead to it.
        case known
        /// The daemon runs, and the container is on no network of ours.
        case unknown
        case refused(String)
        /// Nobody answers, or not in time.
        case away
    }

    let path: String

    /// Asks once; waits for `patience` milliseconds at most.
    func start(_ container: String, patience: Int) -> Answer {
        let socket = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return .away }
        defer { close(socket) }
        guard setTimeout(patience, of: socket), connect(socket) else { return .away }
        let request =
            "POST /containers/\(container)/start HTTP/1.1\r\nHost: causeway\r\nContent-Length: 0\r\n"
            + "Connection: close\r\n\r\n"
        guard File.writeAll(socket, Array(request.utf8)) else { return .away }
        return Self.read(answer(of: socket))
    }

    /// An answer's meaning; one that is cut short is none.
    static func read(_ bytes: [UInt8]) -> Answer {
        let text = String(decoding: bytes, as: UTF8.self)
        let words = text.prefix { $0 != "\r\n" && $0 != "\n" }.split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return .away }
        switch status {
        case 200..<300: return .known
        case 404: return .unknown
        case 409:
            let separator = Array("\r\n\r\n".utf8)
            let start = bytes.indices.first { bytes[$0...].starts(with: separator) }
            return .refused(start.map { String(decoding: bytes[($0 + 4)...], as: UTF8.self) } ?? "")
        default: return .away
        }
    }

    private func setTimeout(_ milliseconds: Int, of socket: CInt) -> Bool {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: suseconds_t(milliseconds % 1000 * 1000))
        let size = socklen_t(MemoryLayout<timeval>.size)
        return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, size) == 0
            && setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, size) == 0
    }

    private func connect(_ socket: CInt) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private func answer(of socket: CInt) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 1 << 16 {
            let count = Glibc.read(socket, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}
