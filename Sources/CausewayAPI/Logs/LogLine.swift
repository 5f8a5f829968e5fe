import CausewayEngine
import CausewayModel
import NIOCore

/// One line as Docker Engine writes it, taken apart: `[TIME ][DETAILS ]TEXT`.
struct LogLine: Hashable, Sendable {
    /// As it was written, nine digits behind the dot.
    var time: String?
    /// `key=value,…`, each escaped as in a query; empty where the container's log has none.
    var details: String?
    var text: ByteBuffer

    init(_ line: ByteBuffer, hasTime: Bool, hasDetails: Bool) {
        text = line
        time = hasTime ? Self.word(&text) : nil
        details = hasDetails ? Self.word(&text) : nil
    }

    /// With whose line it is among its details: what the container's log calls by the same names does not count.
    mutating func add(_ context: [(String, String)]) {
        let names = Set(context.map(\.0))
        let others = (details ?? "").split(separator: ",").map(String.init).filter { part in
            !names.contains(String(part.split(separator: "=", omittingEmptySubsequences: false)[0]))
        }
        // Docker sorts by key; the clients refuse lines without all three of the context.
        details = (others + context.map { "\($0.0)=\(EnginePath.escape($0.1))" }).sorted().joined(separator: ",")
    }

    func bytes(withTime: Bool) -> ByteBuffer {
        var line = ByteBuffer()
        if withTime, let time { line.writeString(time + " ") }
        if let details { line.writeString(details + " ") }
        line.writeImmutableBuffer(text)
        return line
    }

    /// Takes what stands before the first space.
    private static func word(_ line: inout ByteBuffer) -> String? {
        guard let space = line.readableBytesView.firstIndex(of: UInt8(ascii: " ")) else { return nil }
        let word = line.readString(length: space - line.readerIndex)
        line.moveReaderIndex(forwardBy: 1)
        return word
    }
}

extension Swarm.Task {
    /// Whose line it is, as Docker's clients need it before each.
    var logContext: [(String, String)] {
        [
            ("com.docker.swarm.node.id", nodeID ?? ""), ("com.docker.swarm.service.id", serviceID),
            ("com.docker.swarm.task.id", id),
        ]
    }
}
