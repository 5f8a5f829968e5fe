import NIOCore

/// Cuts a stream of bytes after its last newline, so that another's lines may be put between: a piece that a stream
/// arrives in may end in the middle of one.
struct WholeLines {
    private var rest = ByteBuffer()

    /// Returns the lines that are whole now; `nil` when none became so.
    mutating func take(_ bytes: ByteBuffer) -> ByteBuffer? {
        rest.writeImmutableBuffer(bytes)
        guard let end = rest.readableBytesView.lastIndex(of: UInt8(ascii: "\n")) else { return nil }
        let lines = rest.readSlice(length: end + 1 - rest.readerIndex)
        rest.discardReadBytes()
        return lines
    }

    /// What the stream ended with, where that is no whole line.
    mutating func finish() -> ByteBuffer? { rest.readableBytes > 0 ? rest : nil }
}
