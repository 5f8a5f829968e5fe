import Foundation
import Synchronization

/// Docker Engine with a handful of containers: enough of it to make, show and remove them.
final class FakeDocker: Sendable {
    struct Container {
        var id: String
        var name: String
        var body: [String: Any]
        var isRunning: Bool
    }

    private struct State {
        var containers: [Container] = []
        var requests: [(target: String, body: String)] = []
        var refusals: [String: (status: String, body: String)] = [:]
    }

    // `Any` is not Sendable; everything here stays behind the lock.
    private let state = Mutex(State())
    /// Lines that `/events` answers with.
    let events = Mutex<[String]>([])

    /// What was asked, without the version: `POST /containers/create?name=x`.
    var targets: [String] { state.withLock { $0.requests.map(\.target) } }

    func body(of target: String) -> String? {
        state.withLock { state in state.requests.last { $0.target.hasPrefix(target) }?.body }
    }

    /// Answers `status` with a body whenever a request begins like this.
    func refuse(_ target: String, _ status: String, _ body: String) {
        state.withLock { $0.refusals[target] = (status, body) }
    }

    func add(_ id: String, _ name: String, running: Bool = true, body: String = "{}") {
        state.withLock {
            $0.containers.append(
                Container(id: id, name: name, body: Self.object(body), isRunning: running))
        }
    }

    func start(_ name: String) {
        state.withLock { state in
            for index in state.containers.indices where state.containers[index].name == name {
                state.containers[index].isRunning = true
            }
        }
    }

    var script: FakeEngine.Script {
        { head, socket in
            let words = head.split(separator: " ")
            let target = String(words[1])
            let length = head.lowercased().components(separatedBy: "content-length: ").dropFirst().first
                .flatMap { Int($0.prefix { $0.isNumber }) }
            let body = try length.map { try socket.receive(count: $0) } ?? ""
            let path = target.hasPrefix("/v") ? String(target.dropFirst(6)) : target
            try self.answer(String(words[0]), path, body, socket)
        }
    }

    private func answer(_ method: String, _ path: String, _ body: String, _ socket: RawSocket) throws {
        if path.hasPrefix("/events") {
            let isOfNone = path.contains("none")
            let lines = events.withLock { $0 }.filter { !isOfNone || $0.contains(#""type":"null""#) }
            try socket.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for line in lines { try socket.send("\(String(line.utf8.count + 1, radix: 16))\r\n\(line)\n\r\n") }
            try socket.send("0\r\n\r\n")
            return
        }
        let (status, answer) = state.withLock { state in
            state.requests.append(("\(method) \(path)", body))
            let refusal = state.refusals.first { "\(method) \(path)".hasPrefix($0.key) }?.value
            return refusal ?? Self.reply(&state, method, path, body)
        }
        try socket.answer(answer, status: status)
    }

    private static func reply(
        _ state: inout State, _ method: String, _ path: String, _ body: String
    ) -> (status: String, body: String) {
        let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
        let words = parts[0].split(separator: "/").map(String.init)
        let query = parts.count > 1 ? parts[1] : ""
        switch (method, words.count, words.first, words.last) {
        case ("GET", 1, "info", _): return ("200 OK", #"{"DefaultRuntime":"runc"}"#)
        case ("POST", 2, "networks", "prune"): return ("200 OK", #"{"NetworksDeleted":null}"#)
        case ("GET", 1, "networks", _): return ("200 OK", #"[{"Name":"bridge","Id":"b1"}]"#)
        case ("GET", 2, "networks", "bridge"):
            return ("200 OK", #"{"Name":"bridge","IPAM":{"Config":[{"Gateway":"172.17.0.1"}]}}"#)
        case ("GET", 3, "images", _):
            return ("200 OK", #"{"Config":{"ExposedPorts":{"80/tcp":{},"443/tcp":{}}}}"#)
        case ("POST", 2, "containers", "create"):
            let name = query.components(separatedBy: "name=").dropFirst().first.map { $0.prefix { $0 != "&" } } ?? ""
            let id = String(repeating: "\(state.containers.count + 1)", count: 64)
            state.containers.append(Container(id: id, name: String(name), body: object(body), isRunning: false))
            return ("201 Created", #"{"Id":"\#(id)","Warnings":["w"]}"# + "\n")
        case ("GET", 2, "containers", "json"): return ("200 OK", list(state, query))
        case ("POST", 2, "containers", "prune"):
            let gone = state.containers.filter { !$0.isRunning }.map { "\"\($0.id)\"" }
            state.containers.removeAll { !$0.isRunning }
            return ("200 OK", #"{"ContainersDeleted":[\#(gone.joined(separator: ","))],"SpaceReclaimed":0}"#)
        default: return one(&state, method, words)
        }
    }

    private static func one(_ state: inout State, _ method: String, _ words: [String]) -> (String, String) {
        guard words.first == "containers", words.count >= 2,
            let at = state.containers.firstIndex(where: { $0.name == words[1] || $0.id.hasPrefix(words[1]) })
        else { return ("404 Not Found", #"{"message":"No such container: \#(words.dropFirst().first ?? "")"}"#) }
        switch (method, words.last) {
        case ("GET", "json"): return ("200 OK", inspect(state.containers[at]))
        case ("DELETE", _):
            state.containers.remove(at: at)
            return ("204 No Content", "")
        default: return ("204 No Content", "")
        }
    }

    private static func inspect(_ container: Container) -> String {
        var config = container.body
        let host = config.removeValue(forKey: "HostConfig") ?? [:]
        let mode = (host as? [String: Any])?["NetworkMode"] as? String ?? "bridge"
        let mount: [String: Any] = [
            "Type": "bind", "Destination": "/etc/hosts",
            "Source": ((host as? [String: Any])?["Binds"] as? [String])?.last?.split(separator: ":").first.map(
                String.init)
                ?? "",
        ]
        return text([
            "Id": container.id, "Name": "/\(container.name)", "State": ["Running": container.isRunning],
            "Config": config, "HostConfig": host, "Mounts": [mount],
            "NetworkSettings": ["Networks": [mode: [:] as [String: Any]], "Ports": [:] as [String: Any]],
        ])
    }

    /// Honours `all` and, of the filters, the name of a network of the engine's.
    private static func list(_ state: State, _ query: String) -> String {
        let asked = query.removingPercentEncoding ?? ""
        let items = state.containers.reversed().filter { container in
            let mode = (container.body["HostConfig"] as? [String: Any])?["NetworkMode"] as? String ?? "bridge"
            let isAsked = !asked.contains("\"network\"") || asked.contains("\"\(mode)\"")
            return isAsked && (container.isRunning || asked.contains("all=1"))
                && (!asked.contains("\"publish\"") || container.name == "theirs")
        }
        return "["
            + items.map { container in
                text([
                    "Id": container.id, "Names": ["/\(container.name)"],
                    "State": container.isRunning ? "running" : "exited", "Ports": [],
                    "Labels": container.body["Labels"] ?? [:], "Mounts": [],
                    "HostConfig": ["NetworkMode": "none"], "NetworkSettings": ["Networks": ["none": [:]]],
                ])
            }.joined(separator: ",") + "]"
    }

    private static func object(_ text: String) -> [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
    }

    private static func text(_ object: [String: Any]) -> String {
        let data =
            (try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes]))
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}
