import CLinux
import CausewayKernel
import Foundation
import Glibc

/// Asks Docker Engine which container owns which namespace.
///
/// Reads only, and needs no client library.
package struct EngineOwners: Sendable {
    /// Why the engine could not be asked, in words for a gap.
    package struct Unavailable: Error, Sendable, CustomStringConvertible {
        package var description: String
    }

    private struct Container: Decodable {
        var id: String
        var names: [String]
        var labels: [String: String]?

        enum CodingKeys: String, CodingKey {
            case id = "Id"
            case names = "Names"
            case labels = "Labels"
        }
    }

    private struct Details: Decodable {
        struct State: Decodable {
            var processID: Int
            enum CodingKeys: String, CodingKey { case processID = "Pid" }
        }

        var state: State
        enum CodingKeys: String, CodingKey { case state = "State" }
    }

    package let socketPath: String

    package init(socketPath: String = "/var/run/docker.sock") { self.socketPath = socketPath }

    /// The running containers, sorted by name, and what could not be told.
    package func owners() throws(Unavailable) -> (owners: [Inventory.Owner], gaps: [String]) {
        var owners: [Inventory.Owner] = []
        var gaps: [String] = []
        for container in try get("/containers/json", as: [Container].self) {
            let name = container.names.first.map { $0.hasPrefix("/") ? String($0.dropFirst()) : $0 } ?? container.id
            do throws(Unavailable) {
                let details = try get("/containers/\(container.id)/json", as: Details.self)
                var status = stat()
                guard details.state.processID > 0, stat("/proc/\(details.state.processID)/ns/net", &status) == 0 else {
                    continue
                }
                let labels = container.labels ?? [:]
                owners.append(
                    Inventory.Owner(
                        containerID: container.id, containerName: name, namespaceInode: UInt64(status.st_ino),
                        serviceID: labels["com.docker.swarm.service.id"],
                        serviceName: labels["com.docker.swarm.service.name"],
                        taskID: labels["com.docker.swarm.task.id"], taskName: labels["com.docker.swarm.task.name"]))
            } catch {
                gaps.append("container \(name): \(error)")
            }
        }
        return (owners.sorted { $0.containerName < $1.containerName }, gaps)
    }

    /// What the engine says of itself, its networks and its swarm; what it does not answer is left out.
    package func state() throws(Unavailable) -> (state: EngineState?, gaps: [String]) {
        struct Named: Decodable {
            var id: String
            enum CodingKeys: String, CodingKey { case id = "Id" }
        }
        var answers = EngineAnswers()
        answers.info = try bytes("/info")
        for network in try get("/networks", as: [Named].self) {
            // One that has gone meanwhile is no loss.
            if let answer = try? bytes("/networks/\(network.id)?verbose=true") { answers.networks.append(answer) }
        }
        // A manager's alone.
        answers.services = try? bytes("/services")
        answers.tasks = try? bytes("/tasks")
        answers.nodes = try? bytes("/nodes")
        do throws(RecordingError) {
            return (try answers.state(), [])
        } catch {
            return (nil, ["the engine's answers: \(error)"])
        }
    }

    func get<T: Decodable>(_ path: String, as type: T.Type) throws(Unavailable) -> T {
        do {
            return try JSONDecoder().decode(type, from: Data(try bytes(path)))
        } catch let error as Unavailable {
            throw error
        } catch {
            throw Unavailable(description: "the engine's answer to \(path) is not what was expected: \(error)")
        }
    }

    /// The body of an answer.
    private func bytes(_ path: String) throws(Unavailable) -> [UInt8] {
        let answer = try exchange("GET \(path) HTTP/1.0\r\nHost: docker\r\nConnection: close\r\n\r\n")
        guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8)) else {
            throw Unavailable(
                description: "the engine at \(socketPath) answered \(path) with \(answer.count) bytes of no HTTP")
        }
        let status = String(decoding: answer.prefix { $0 != 13 }, as: UTF8.self)
        guard status.split(separator: " ").dropFirst().first == "200" else {
            throw Unavailable(description: "the engine at \(socketPath) answered \(path) with '\(status)'")
        }
        return Array(answer[end.upperBound...])
    }

    /// Sends a request, and reads until the engine closes.
    private func exchange(_ request: String) throws(Unavailable) -> [UInt8] {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(socketPath.utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw Unavailable(description: "the path \(socketPath) is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard isConnected else { throw failure("connect") }
        let bytes = Array(request.utf8)
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw failure("send")
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("recv") }
            if count == 0 { return answer }
            answer.append(contentsOf: buffer[..<count])
        }
    }

    private func failure(_ call: String) -> Unavailable {
        Unavailable(
            description: "no Docker Engine answers at \(socketPath) (\(call): \(String(cString: strerror(errno))))")
    }
}
