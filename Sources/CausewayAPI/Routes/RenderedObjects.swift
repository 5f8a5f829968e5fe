import CausewayModel
import NIOCore
import Synchronization

/// Objects of one kind as JSON, each written once for as long as it stays the same.
///
/// Lists are asked for again and again (`service ls`, stacks, dashboards), and next to nothing has changed in between.
final class RenderedObjects: Sendable {
    private struct Entry {
        var versions: [Swarm.Version]
        /// The whole object, braces included.
        var json: ByteBuffer
    }

    private let entries = Mutex<[Swarm.ID: Entry]>([:])

    /// The JSON of one object.
    ///
    /// `versions`: that of the object, and of everything else that its JSON tells of: each change of one gives another.
    func json(
        of id: Swarm.ID, _ versions: [Swarm.Version], _ object: () -> some Encodable
    ) throws(APIError) -> ByteBuffer {
        if let known = entries.withLock({ $0[id] }), known.versions == versions { return known.json }
        let json = try JSON.bytes(object())
        entries.withLock { $0[id] = Entry(versions: versions, json: json) }
        return json
    }

    /// Forgets what is gone, once it is more than what is left.
    ///
    /// `count`: how many objects there are altogether.
    func forgetGone(of count: Int) {
        entries.withLock { if $0.count > 2 * count { $0 = [:] } }
    }
}

/// A JSON array, written member by member.
struct JSONArray {
    private var bytes = ByteBuffer(integer: UInt8(ascii: "["))
    private var isEmpty = true

    /// `member`: one more of the object's, as `"NAME":VALUE`; an object of ours is never empty.
    mutating func append(_ object: ByteBuffer, with member: String? = nil) {
        if !isEmpty { bytes.writeInteger(UInt8(ascii: ",")) }
        isEmpty = false
        guard let member else {
            _ = bytes.writeImmutableBuffer(object)
            return
        }
        bytes.writeBytes(object.readableBytesView.dropLast())
        bytes.writeString(",\(member)}")
    }

    mutating func close() -> ByteBuffer {
        bytes.writeInteger(UInt8(ascii: "]"))
        return bytes
    }
}

extension Array {
    /// Where the elements are for which something is so, in the order of their identifiers: large objects stay in place.
    func positions(byID id: (Element) -> Swarm.ID, where isSo: (Element) -> Bool) -> [Int] {
        indices.filter { isSo(self[$0]) }.map { ($0, id(self[$0])) }.sorted { $0.1 < $1.1 }.map(\.0)
    }
}
