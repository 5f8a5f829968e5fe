import NIOCore

/// Finds the end of a body in the bytes of a connection, without changing any of them.
struct BodyScanner: Sendable {
    private enum State {
        case length(UInt64)
        case chunked(ChunkScanner)
        case untilClose
    }

    private var state: State

    init(_ framing: BodyFraming) {
        state =
            switch framing {
            case .none: .length(0)
            case .length(let length): .length(length)
            case .chunked: .chunked(ChunkScanner())
            case .untilClose: .untilClose
            }
    }

    /// Whether the body has been seen to its end.
    var isComplete: Bool {
        switch state {
        case .length(let left): left == 0
        case .chunked(let scanner): scanner.isComplete
        case .untilClose: false
        }
    }

    /// Whether the end of the connection is a proper end.
    var mayEndHere: Bool {
        if case .untilClose = state { true } else { isComplete }
    }

    /// Takes off `buffer` what belongs to the body: as it was on the wire, or as what was meant by it.
    mutating func take(from buffer: inout ByteBuffer, decoded: Bool = false) throws(HTTPFault) -> ByteBuffer {
        switch state {
        case .length(let left):
            let count = Int(min(left, UInt64(buffer.readableBytes)))
            state = .length(left - UInt64(count))
            return buffer.readSlice(length: count) ?? ByteBuffer()
        case .chunked(var scanner):
            var payload = ByteBuffer()
            let view = buffer.readableBytesView
            let count = try scanner.scan(view) { if decoded { payload.writeBytes(view[$0]) } }
            state = .chunked(scanner)
            let raw = buffer.readSlice(length: count) ?? ByteBuffer()
            return decoded ? payload : raw
        case .untilClose:
            defer { buffer.clear() }
            return buffer.slice()
        }
    }
}

/// Follows chunked coding (RFC 9112, 7.1) byte by byte.
struct ChunkScanner: Sendable {
    private enum State {
        case size(UInt64, digits: Int)
        case restOfSizeLine(UInt64)
        case data(UInt64)
        case endOfData
        case trailer(lineLength: Int)
        case done
    }

    private var state = State.size(0, digits: 0)

    var isComplete: Bool { if case .done = state { true } else { false } }

    /// Returns how many bytes of `view` belong to the body, and hands over the ranges that are data.
    mutating func scan(_ view: ByteBufferView, _ data: (Range<Int>) -> Void) throws(HTTPFault) -> Int {
        var at = view.startIndex
        while at < view.endIndex, !isComplete {
            if case .data(let left) = state {
                let count = Int(min(left, UInt64(view.endIndex - at)))
                data(at..<at + count)
                at += count
                state = left == UInt64(count) ? .endOfData : .data(left - UInt64(count))
            } else {
                try step(view[at])
                at += 1
            }
        }
        return at - view.startIndex
    }

    private mutating func step(_ byte: UInt8) throws(HTTPFault) {
        let isNewline = byte == UInt8(ascii: "\n")
        switch state {
        case .size(let size, let digits):
            if let digit = Self.hex(byte) {
                guard digits < 15 else { throw HTTPFault(400, "a chunk's size has more than 15 digits") }
                state = .size(size << 4 | UInt64(digit), digits: digits + 1)
            } else {
                guard digits > 0, isNewline || " \t;\r".utf8.contains(byte) else {
                    throw HTTPFault(400, "malformed size of a chunk")
                }
                state = isNewline ? Self.afterSize(size) : .restOfSizeLine(size)
            }
        case .restOfSizeLine(let size):
            if isNewline { state = Self.afterSize(size) }
        case .endOfData:
            guard isNewline || byte == UInt8(ascii: "\r") else {
                throw HTTPFault(400, "a chunk is longer than its size")
            }
            if isNewline { state = .size(0, digits: 0) }
        case .trailer(let length):
            if isNewline {
                state = length == 0 ? .done : .trailer(lineLength: 0)
            } else if byte != UInt8(ascii: "\r") {
                guard length < 8192 else { throw HTTPFault(400, "a trailer line is longer than 8192 bytes") }
                state = .trailer(lineLength: length + 1)
            }
        case .data, .done: break
        }
    }

    private static func afterSize(_ size: UInt64) -> State { size == 0 ? .trailer(lineLength: 0) : .data(size) }

    private static func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
