import NIOCore
import NIOHTTP1

/// A request's method, target and fields.
struct RequestHead: Sendable {
    var method: String
    var target: String
    var version: String
    var headers: HTTPHeaders

    init(_ head: MessageHead) throws(HTTPFault) {
        (method, target, version) = head.line
        headers = head.headers
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
            throw HTTPFault(505, "'\(version)' is not HTTP/1.1")
        }
        guard target.hasPrefix("/") || (target == "*" && method == "OPTIONS") else {
            throw HTTPFault(400, "the request's target '\(target)' is not a path")
        }
    }

    var bytes: ByteBuffer { MessageHead(line: (method, target, version), headers: headers).bytes }

    /// Whether another request may follow on the connection.
    var keepsAlive: Bool {
        let words = headers[canonicalForm: "connection"].map { $0.lowercased() }
        return version == "HTTP/1.1" ? !words.contains("close") : words.contains("keep-alive")
    }

    /// Whether the client asks to speak something else than HTTP afterwards.
    var asksForUpgrade: Bool {
        headers.contains(name: "upgrade")
            && headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    var expectsContinue: Bool { headers.first(name: "expect")?.lowercased() == "100-continue" }
}

/// An answer's status and fields.
struct ResponseHead: Sendable {
    var status: Int
    var head: MessageHead

    init(_ head: MessageHead) throws(HTTPFault) {
        guard head.line.0.hasPrefix("HTTP/1."), let status = Int(head.line.1), 100...599 ~= status else {
            throw HTTPFault(502, "Docker Engine answered something else than HTTP: '\(head.line.0) \(head.line.1)'")
        }
        self.status = status
        self.head = head
    }

    /// 100 to 199, but for 101: another head follows.
    var isInterim: Bool { status < 200 && status != 101 }

    var closes: Bool {
        head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "close" }
            || head.line.0 == "HTTP/1.0"
    }
}
