import FoundationEssentials
import NIOCore

/// Cuts a stream into lines of JSON.
///
/// A line that is not what was expected is left out.
struct JSONLines<Line: Decodable> {
    private var rest: [UInt8] = []
    /// A line longer than this is none.
    private let limit = 1 << 20

    mutating func read(_ chunk: ByteBuffer) -> [Line] {
        rest.append(contentsOf: chunk.readableBytesView)
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else {
            if rest.count > limit { rest = [] }
            return []
        }
        let lines = rest[..<end].split(separator: UInt8(ascii: "\n"))
        rest.removeFirst(end + 1)
        return lines.compactMap { line in
            do { return try JSONDecoder().decode(Line.self, from: Data(line)) } catch { return nil }
        }
    }
}
