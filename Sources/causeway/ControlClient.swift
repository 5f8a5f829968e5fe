import CausewayKernel
import Foundation
import Glibc

/// Asks a running daemon over its unix socket: one GET, one JSON answer.
///
/// The protocol is HTTP/1.0 without anything optional, so that no client library is needed.
struct ControlClient {
    let socketPath: String
    /// How long an answer is waited for, seconds.
    var patience = 30

    /// Where the daemon listens unless it was told otherwise.
    static let usualPath = "/run/causeway/control.sock"

    /// The same for who runs us: `lab exec` names the node's.
    static var defaultPath: String {
        ProcessInfo.processInfo.environment["CAUSEWAY_CONTROL_SOCKET"] ?? usualPath
    }

    /// What the daemon would change in one namespace.
    struct NamespacePlan: Codable {
        var namespace: String
        var steps: [String]
    }

    /// How the daemon's node stands.
    struct Status: Codable {
        /// The daemon's process.
        var pid: Int32
        /// The newest assignment's revision; absent before the first one.
        var revision: UInt64?
        /// What the kernel refused, and why.
        var failures: [String]
        var repairs: Int
        /// `manager`, `worker`, or `none`.
        var role: String
        /// The revision that the kernel agrees with; absent before the first one.
        var applied: UInt64?
        /// Absent in answers of earlier releases.
        var peers: [Peer]?
    }

    /// How the daemon's node reaches another one through the tunnel.
    struct Peer: Codable {
        var hostname: String
        var reachable: Bool
        /// The largest packet inside the tunnel that arrives, bytes; absent until it is measured.
        var mtu: UInt32?
        /// Whether checksums left to the hardware arrive; absent until it is measured.
        var offload: Bool?
        /// What is wrong, and what was done; empty when nothing is.
        var note: String
    }

    func plan() throws -> [NamespacePlan] { try get("/plan") }

    /// What the nodes of the cluster hold, this one's first; `nil` from a daemon that does not tell, or from none.
    func inventories() throws -> [Inventory]? {
        guard isAnswered else { return nil }
        do {
            return try get("/inventories")
        } catch let failure as Failure where failure.cause.contains(" 404 ") {
            return nil
        }
    }

    func status() throws -> Status { try get("/status") }

    /// Whether somebody listens.
    var isAnswered: Bool {
        guard let descriptor = try? connected() else { return false }
        close(descriptor)
        return true
    }

    private func get<Answer: Decodable>(_ path: String) throws -> Answer {
        let answer = try exchange("GET \(path) HTTP/1.0\r\nHost: causeway\r\nConnection: close\r\n\r\n")
        guard let end = answer.firstRange(of: Data("\r\n\r\n".utf8)) else { throw malformed(answer.count) }
        let status = String(decoding: answer.prefix { $0 != 13 }, as: UTF8.self)
        let body = answer[end.upperBound...]
        guard status.split(separator: " ").dropFirst().first == "200" else {
            throw Failure(
                what: "the daemon cannot answer \(path)",
                cause: "'\(status)' \(String(decoding: body.prefix(500), as: UTF8.self))",
                remedy: "its log says more: journalctl -u causewayd")
        }
        do {
            return try JSONDecoder().decode(Answer.self, from: Data(body))
        } catch {
            throw malformed(answer.count)
        }
    }

    private func malformed(_ count: Int) -> Failure {
        Failure(
            what: "the answer at \(socketPath) is not understood", cause: "\(count) bytes of another protocol",
            remedy: "do causeway and causewayd have one version?")
    }

    // MARK: the socket

    private func exchange(_ request: String) throws(Failure) -> Data {
        let descriptor = try connected()
        defer { close(descriptor) }
        var rest = Array(request.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw failure("cannot write to") }
            rest = rest.dropFirst(count)
        }
        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw failure("cannot read from") }
            if count == 0 { return answer }
            answer.append(contentsOf: buffer.prefix(count))
        }
    }

    private func connected() throws(Failure) -> Int32 {
        var address = sockaddr_un()
        let limit = MemoryLayout.size(ofValue: address.sun_path)
        guard socketPath.utf8.count < limit else {
            throw Failure(
                what: "cannot ask the daemon at '\(socketPath)'",
                cause: "a socket's path has at most \(limit - 1) bytes",
                remedy: "")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socketPath.utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("cannot make a socket for") }
        var patience = timeval(tv_sec: patience, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard status == 0 else {
            let failure = failure("cannot reach")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private func failure(_ verb: String) -> Failure {
        Failure(
            what: "\(verb) the daemon at \(socketPath)", cause: String(cString: strerror(errno)),
            remedy: "is causewayd running, and are you root?")
    }
}
