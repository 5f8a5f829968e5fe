import Dispatch
import Foundation
import Glibc
import Synchronization

/// Docker Engine as a script: what it does with a connection once it has read a head.
final class FakeEngine: Sendable {
    typealias Script = @Sendable (_ head: String, _ socket: RawSocket) throws -> Void

    let path: String
    private let listener: RawSocket
    private let log = Mutex<[String]>([])

    /// All heads but those of `/_ping`, as they came.
    var heads: [String] { log.withLock { $0 } }

    init(_ path: String, _ script: @escaping Script) throws {
        self.path = path
        listener = try RawSocket.listen(path)
        Thread.detachNewThread { [self] in
            while true {
                let fd = accept(listener.fd, nil, nil)
                if fd < 0 {
                    // Its time is up without a client: it waits for the next one, unless it was stopped.
                    guard errno == EAGAIN || errno == EINTR else { return }
                    continue
                }
                let socket = RawSocket(fd: fd)
                Thread.detachNewThread { [self] in serve(socket, script) }
            }
        }
    }

    func stop() {
        listener.hangUp()
        unlink(path)
    }

    private func serve(_ socket: RawSocket, _ script: Script) {
        do {
            while true {
                let head = try socket.receive(until: "\r\n\r\n")
                guard !head.isEmpty else { return }
                guard !head.contains(" /_ping ") else {
                    try socket.send(
                        "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10 (linux)\r\nContent-Length: 2\r\n\r\nOK"
                    )
                    continue
                }
                log.withLock { $0.append(head) }
                try script(head, socket)
            }
        } catch {
            // A broken connection is part of what is tested: the thread ends with it.
        }
    }
}

extension RawSocket {
    /// Answers with JSON and keeps the connection.
    func answer(_ json: String, status: String = "200 OK") throws {
        try send(
            "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)")
    }
}
