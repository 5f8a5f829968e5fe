import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// Asks the name servers of tasks for services: one small question for each name, by UDP.
package struct NameProbe: Sendable {
    package struct Answer: Hashable, Sendable {
        package var namespace: UInt64
        package var name: String
        package var addresses: [String]
        package var failure: String?
    }

    /// A namespace, and what is asked for in it.
    package struct Place: Hashable, Sendable {
        package var path: String
        package var namespace: UInt64
        package var names: [String]

        package init(path: String, namespace: UInt64, names: [String]) {
            self.path = path
            self.namespace = namespace
            self.names = names
        }
    }

    private let places: [Place]

    package init(_ places: [Place]) { self.places = places }

    package func answers() async -> [Answer] {
        var answers: [Answer] = []
        for place in places {
            let found = try? await NetworkNamespace(path: place.path).performStep { () throws(KernelError) in
                place.names.map { Self.ask($0, place.namespace) }
            }
            answers += found ?? []
        }
        return answers
    }

    /// In the calling thread's namespace.
    private static func ask(_ name: String, _ namespace: UInt64) -> Answer {
        var answer = Answer(namespace: namespace, name: name, addresses: [])
        do throws(Failure) {
            answer.addresses = try exchange(question(name))
        } catch {
            answer.failure = error.text
        }
        return answer
    }

    struct Failure: Error { var text: String }

    private static func exchange(_ question: [UInt8]) throws(Failure) -> [String] {
        let descriptor = socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(text: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var server = sockaddr_in()
        server.sin_family = sa_family_t(AF_INET)
        server.sin_port = UInt16(53).bigEndian
        server.sin_addr.s_addr = UInt32(0x7f00_000b).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = withUnsafePointer(to: &server) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) == 0 }
        }
        guard isConnected, send(descriptor, question, question.count, CInt(MSG_NOSIGNAL)) == question.count else {
            throw Failure(text: "127.0.0.11: \(String(cString: strerror(errno)))")
        }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else {
            throw Failure(
                text: errno == EAGAIN ? "127.0.0.11 does not answer" : "127.0.0.11: \(String(cString: strerror(errno)))"
            )
        }
        return try addresses(Array(buffer.prefix(count)))
    }

    /// One question for A, with recursion wished for (RFC 1035, 4.1).
    static func question(_ name: String) -> [UInt8] {
        var message: [UInt8] = [0x43, 0x57, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") {
            let bytes = Array(label.utf8.prefix(63))
            message += [UInt8(bytes.count)] + bytes
        }
        return message + [0, 0, 1, 0, 1]
    }

    /// The addresses in an answer; none for a name that is not there.
    static func addresses(_ message: [UInt8]) throws(Failure) -> [String] {
        guard message.count >= 12, message[0] == 0x43, message[1] == 0x57 else {
            throw Failure(text: "an answer of no DNS")
        }
        let code = message[3] & 0x0f
        guard code == 0 || code == 3 else { throw Failure(text: "the name server says it cannot (code \(code))") }
        let (questions, answers) = (Int(message[4]) << 8 | Int(message[5]), Int(message[6]) << 8 | Int(message[7]))
        var at = 12
        for _ in 0..<questions { at = try skipName(message, at) + 4 }
        var found: [String] = []
        for _ in 0..<answers {
            at = try skipName(message, at)
            guard at + 10 <= message.count else { throw Failure(text: "an answer that is cut off") }
            let kind = Int(message[at]) << 8 | Int(message[at + 1])
            let length = Int(message[at + 8]) << 8 | Int(message[at + 9])
            at += 10
            guard at + length <= message.count else { throw Failure(text: "an answer that is cut off") }
            if kind == 1, length == 4 { found.append(message[at..<at + 4].map { "\($0)" }.joined(separator: ".")) }
            at += length
        }
        return found.sorted()
    }

    private static func skipName(_ message: [UInt8], _ start: Int) throws(Failure) -> Int {
        var at = start
        while at < message.count {
            let length = Int(message[at])
            if length == 0 { return at + 1 }
            if length & 0xc0 == 0xc0 { return at + 2 }
            at += 1 + length
        }
        throw Failure(text: "an answer that is cut off")
    }
}
