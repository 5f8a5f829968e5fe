import NIOCore
import NIOHTTP1

/// The first line and the fields of an HTTP/1 message, in the order and with the letters they came in.
///
/// The pass-through needs what HTTP libraries hide: where exactly a message ends, and the bytes as they were. So heads
/// are read here, strictly, and written again from what was understood; a head that two readers could understand
/// differently is refused.
struct MessageHead: Sendable {
    /// The three parts of the first line: `POST /x HTTP/1.1` or `HTTP/1.1 200 OK`.
    var line: (String, String, String)
    var headers: HTTPHeaders

    /// The largest head that is read.
    static let limit = 64 << 10

    /// Takes a head off the front of `buffer`; `nil` when it has not come whole.
    static func take(from buffer: inout ByteBuffer) throws(HTTPFault) -> MessageHead? {
        let view = buffer.readableBytesView
        guard let end = endOfHead(view) else {
            guard view.count <= limit else { throw HTTPFault(431, "the request's head is larger than \(limit) bytes") }
            return nil
        }
        let head = try parse(view[..<end])
        buffer.moveReaderIndex(to: end)
        return head
    }

    /// The head's bytes, the empty line included.
    var bytes: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeString("\(line.0) \(line.1) \(line.2)\r\n")
        for (name, value) in headers {
            buffer.writeString("\(name): \(value)\r\n")
        }
        buffer.writeString("\r\n")
        return buffer
    }

    /// The index after the empty line that ends the head.
    private static func endOfHead(_ view: ByteBufferView) -> Int? {
        var lineIsEmpty = true
        var seenText = false
        for index in view.indices {
            switch view[index] {
            case UInt8(ascii: "\n"):
                if lineIsEmpty, seenText { return index + 1 }
                lineIsEmpty = true
            case UInt8(ascii: "\r"): continue
            default:
                lineIsEmpty = false
                seenText = true
            }
        }
        return nil
    }

    private static func parse(_ view: ByteBufferView) throws(HTTPFault) -> MessageHead {
        var lines = view.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
            .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
            .filter { !$0.isEmpty }[...]
        guard let first = lines.popFirst() else { throw HTTPFault(400, "the request has no first line") }
        var headers = HTTPHeaders()
        for line in lines {
            let (name, value) = try field(line)
            headers.add(name: name, value: value)
        }
        return MessageHead(line: try firstLine(first), headers: headers)
    }

    private static func firstLine(_ line: ByteBufferView) throws(HTTPFault) -> (String, String, String) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, line.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw HTTPFault(400, "malformed first line of an HTTP message")
        }
        let text = parts.map { String(decoding: $0, as: UTF8.self) }
        return (text[0], text[1], text.count > 2 ? text[2] : "")
    }

    /// Reads `name: value`; a continued line (RFC 9112, 5.2) is refused.
    private static func field(_ line: ByteBufferView) throws(HTTPFault) -> (String, String) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            line[..<colon].allSatisfy(isTokenByte)
        else { throw HTTPFault(400, "malformed header line '\(String(decoding: line, as: UTF8.self))'") }
        var value = line[(colon + 1)...]
        while let byte = value.first, isSpace(byte) { value = value.dropFirst() }
        while let byte = value.last, isSpace(byte) { value = value.dropLast() }
        guard value.allSatisfy({ ($0 >= 0x20 || $0 == 0x09) && $0 != 0x7f }) else {
            throw HTTPFault(400, "a header's value holds a control character")
        }
        return (String(decoding: line[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
