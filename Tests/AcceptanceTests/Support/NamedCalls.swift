import CausewayLinux
import Foundation
import Glibc
import Synchronization

/// Requests to a name from inside a task's namespace, one after the other, each resolved anew and on a connection of its own.
final class NamedCalls: Sendable {
    struct Result: Sendable, CustomStringConvertible {
        var asked = 0
        /// By the replica that answered.
        var replicas: [String: Int] = [:]
        /// By the address that the name led to.
        var addresses: [String: Int] = [:]
        var failures: [String: Int] = [:]

        var description: String {
            "\(replicas.values.reduce(0, +)) of \(asked) answered, failed: \(failures), replicas: \(replicas), "
                + "addresses: \(addresses)"
        }
    }

    private let state = Mutex((result: Result(), isStopped: false))

    /// Asks port 80 of a name for as long as a body runs.
    static func during(
        _ name: String, in namespace: NetworkNamespace, _ body: () async throws -> Void
    ) async throws -> Result {
        let calls = NamedCalls()
        async let asking: Void = namespace.perform { try calls.run(name) }
        do { try await body() } catch {
            calls.stop()
            _ = try? await asking
            throw Context(error: error, notes: ["\(name): \(calls.result)"])
        }
        calls.stop()
        try await asking
        return calls.result
    }

    private var result: Result { state.withLock { $0.result } }

    private func stop() { state.withLock { $0.isStopped = true } }

    private func run(_ name: String) throws {
        let resolver = try NameLoad.open(5)
        defer { close(resolver) }
        while !state.withLock({ $0.isStopped }) {
            let began = Date()
            let (address, outcome) = Self.call(name, resolver)
            state.withLock { state in
                state.result.asked += 1
                if let address { state.result.addresses[address, default: 0] += 1 }
                switch outcome {
                case .success(let replica): state.result.replicas[replica, default: 0] += 1
                case .failure(let failure):
                    state.result.failures["\(address ?? name): \(failure) at \(began)", default: 0] += 1
                }
            }
            usleep(50_000)
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        var description: String
        init(_ step: String) { description = "\(step): \(String(cString: strerror(errno)))" }
    }

    private static func call(_ name: String, _ resolver: Int32) -> (String?, Swift.Result<String, any Error>) {
        do {
            let address = try resolve(name, resolver)
            return (String(cString: inet_ntoa(address)), Swift.Result { try ask(address) })
        } catch { return (nil, .failure(error)) }
    }

    /// The first address of the answer.
    private static func resolve(_ name: String, _ resolver: Int32) throws -> in_addr {
        let query = NameLoad.query(name)
        guard send(resolver, query, query.count, 0) == query.count else { throw Failure("ask for the name") }
        var reply = [UInt8](repeating: 0, count: 512)
        let count = recv(resolver, &reply, reply.count, 0)
        // Behind the question stands the answer's head, 12 bytes with a name that points back.
        guard count >= query.count + 16, reply[7] > 0 else { throw Failure("no address, code \(reply[3] & 15)") }
        return reply[(query.count + 12)...].prefix(4).withUnsafeBytes { $0.loadUnaligned(as: in_addr.self) }
    }

    /// Which replica answers.
    private static func ask(_ address: in_addr) throws -> String {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var target = sockaddr_in()
        (target.sin_family, target.sin_port, target.sin_addr) = (sa_family_t(AF_INET), UInt16(80).bigEndian, address)
        let status = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure("connect") }
        let request = Array("GET / HTTP/1.1\r\nHost: named\r\nConnection: close\r\n\r\n".utf8)
        guard send(socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw Failure("send")
        }
        var (answer, bytes): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1024))
        while true {
            let count = recv(socket, &bytes, bytes.count, 0)
            guard count >= 0 else { throw Failure("receive") }
            guard count > 0 else { break }
            answer += bytes[..<count]
        }
        let body = String(decoding: answer, as: UTF8.self).split(separator: "\r\n\r\n").last ?? ""
        guard let replica = body.split(separator: " ").first, answer.starts(with: "HTTP/1.1 200".utf8) else {
            throw Failure("malformed answer '\(body)'")
        }
        return String(replica)
    }
}
