import CausewaySockets
import FoundationEssentials
import Glibc
import Logging

/// The socket on which a keeper is told what to keep; root's alone (0600).
final class ControlDoor: EventHandler {
    struct State: Codable {
        var listener: CInt
        var lock: CInt

        var descriptors: [CInt] { [listener, lock] }
    }

    private(set) var state: State
    private let path: String
    private unowned let server: KeeperServer
    private var connections: [CInt: ControlConnection] = [:]
    /// The one that told the whole last.
    private weak var controller: ControlConnection?

    struct Taken: Error, CustomStringConvertible { let description: String }

    /// - Throws: ``Taken`` when another keeper serves there.
    init(at path: String, _ server: KeeperServer) throws {
        self.path = path
        self.server = server
        let lock = Glibc.open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw SocketError(doing: "open \(path).lock", errno: errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(lock)
            throw Taken(
                description: "another causeway-keeper serves \(path); stop it, or give this one its own --socket")
        }
        let listener = try UnixSocket.listen(path)
        state = State(listener: listener, lock: lock)
        server.loop.watch(listener, .readable, self)
    }

    init(resuming state: State, at path: String, _ server: KeeperServer) {
        self.state = state
        self.path = path
        self.server = server
        server.loop.watch(state.listener, .readable, self)
    }

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        do throws(SocketError) {
            while let (socket, _) = try Socket.accept(state.listener) {
                let connection = ControlConnection(socket, self, server.loop)
                connections[socket] = connection
                server.loop.watch(socket, .readable, connection)
            }
        } catch {
            server.log.error("\(error)")
        }
    }

    func ended(_ connection: ControlConnection) { connections[connection.socket] = nil }

    func reply(to message: Data, from connection: ControlConnection) throws -> KeeperReply {
        let request = try JSONDecoder().decode(KeeperRequest.self, from: message)
        let reply = server.reply(to: request, mayControl: controller === connection)
        if request.keep?.isWhole == true { controller = connection }
        return reply
    }

    func note(_ problem: any Error) {
        server.log.warning("a request on the keeper's socket is not understood", metadata: ["error": "\(problem)"])
    }

    /// Takes the socket's file away, and lets everybody go.
    func close() {
        unlink(path)
        for connection in connections.values { connection.flush() }
        server.loop.close(state.listener)
        unlink(path + ".lock")
        Glibc.close(state.lock)
    }
}

/// One that tells or asks a keeper something.
final class ControlConnection: EventHandler {
    let socket: CInt
    private unowned let door: ControlDoor
    private let loop: EventLoop
    private var incoming = MessageStream()
    private var outgoing: ArraySlice<UInt8> = []

    init(_ socket: CInt, _ door: ControlDoor, _ loop: EventLoop) {
        self.socket = socket
        self.door = door
        self.loop = loop
    }

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        if events.contains(.writable) { send() }
        guard events.contains(.readable) else { return }
        var outcome = Socket.Outcome.wouldBlock
        let bytes = [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
            outcome = Socket.receive(socket, into: UnsafeMutableRawBufferPointer(buffer))
            if case .bytes(let got) = outcome { count = got }
        }
        switch outcome {
        case .bytes: take(bytes)
        case .wouldBlock: break
        case .end, .failed: close()
        }
    }

    private func take(_ bytes: [UInt8]) {
        incoming.append(bytes)
        do {
            while let message = try incoming.next() {
                do {
                    try put(door.reply(to: message, from: self))
                } catch let error as DecodingError {
                    door.note(error)
                    try put(KeeperReply(error: "the request cannot be read: \(error)"))
                }
            }
        } catch {
            door.note(error)
            close()
        }
    }

    private func put(_ reply: KeeperReply) throws {
        outgoing += try MessageStream.framed(reply)
        send()
    }

    private func send() {
        guard !outgoing.isEmpty else { return }
        switch outgoing.withUnsafeBytes({ Socket.send(socket, $0) }) {
        case .bytes(let count): outgoing = outgoing.dropFirst(count)
        case .wouldBlock: break
        case .end, .failed: return close()
        }
        loop.watch(socket, outgoing.isEmpty ? .readable : [.readable, .writable], self)
    }

    /// Sends what is left, as far as the other side takes it at once.
    func flush() { send() }

    private func close() {
        loop.close(socket)
        door.ended(self)
    }
}

/// SIGTERM and SIGINT.
final class Termination: EventHandler {
    private let asked: () -> Void

    init(_ asked: @escaping () -> Void) { self.asked = asked }

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) { asked() }
}
