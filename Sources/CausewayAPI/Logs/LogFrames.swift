import NIOCore

/// One line of a container's log: `[stream, 0, 0, 0, length (big endian)]`, then the line.
struct LogFrame: Hashable, Sendable {
    /// 1 standard output, 2 standard error, 3 an error of the daemon.
    var stream: UInt8
    var line: ByteBuffer

    var bytes: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeMultipleIntegers(stream, UInt8(0), UInt8(0), UInt8(0), UInt32(line.readableBytes))
        buffer.writeImmutableBuffer(line)
        return buffer
    }

    /// What keeps logs from being whole, in the words of Docker's swarm.
    static func failure(_ reasons: [String]) -> LogFrame {
        let why = "some logs could not be retrieved for the following reasons: \(reasons.joined(separator: ", "))"
        let text = "Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. \(why)\n"
        return LogFrame(stream: 3, line: ByteBuffer(string: text))
    }

    /// As it goes to the client: with its head, or the bare line where the log has no frames.
    func shown(raw: Bool) -> ByteBuffer { raw ? line : bytes }
}

/// Takes frames off a stream that comes in pieces.
struct LogFrameReader: Sendable {
    /// What a frame claims to hold, and cannot.
    struct Malformed: Error, CustomStringConvertible {
        var length: UInt32
        var description: String { "a log frame claims \(length) bytes: the limit is \(LogFrameReader.limit)" }
    }

    /// Docker splits lines at 16 KiB; this leaves room for anything sane.
    static let limit: UInt32 = 16 << 20

    private var buffer = ByteBuffer()

    /// Gives up what was read, once for each piece: frames share their bytes with it, so to do it for each frame would
    /// copy the whole piece for every line.
    mutating func add(_ bytes: ByteBuffer) {
        guard buffer.readableBytes > 0 else {
            buffer = bytes
            return
        }
        var bytes = bytes
        buffer.discardReadBytes()
        buffer.writeBuffer(&bytes)
    }

    mutating func next() throws(Malformed) -> LogFrame? {
        let start = buffer.readerIndex
        guard let stream = buffer.getInteger(at: start, as: UInt8.self),
            let length = buffer.getInteger(at: start + 4, as: UInt32.self)
        else { return nil }
        guard length <= Self.limit else { throw Malformed(length: length) }
        guard buffer.readableBytes >= 8 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 8)
        return LogFrame(stream: stream, line: buffer.readSlice(length: Int(length)) ?? ByteBuffer())
    }
}
