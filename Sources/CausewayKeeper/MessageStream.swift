import CausewaySockets
import FoundationEssentials

/// Messages in a stream of bytes: each behind its length.
struct MessageStream {
    struct TooLong: Error, CustomStringConvertible {
        let length: Int
        var description: String {
            "a message of \(length) bytes is announced, which none has; is it a keeper's socket?"
        }
    }

    private var bytes: [UInt8] = []

    mutating func append(_ more: some Sequence<UInt8>) { bytes += more }

    /// The next message, once all of it is there.
    mutating func next() throws(TooLong) -> Data? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= KeeperProtocol.longestMessage else { throw TooLong(length: length) }
        guard bytes.count >= 4 + length else { return nil }
        defer { bytes.removeFirst(4 + length) }
        return Data(bytes[4..<4 + length])
    }

    static func framed(_ message: some Encodable) throws -> [UInt8] {
        let data = try JSONEncoder().encode(message)
        return withUnsafeBytes(of: UInt32(data.count).bigEndian) { Array($0) } + data
    }
}
