import FoundationEssentials
import NIOCore

/// One JSON value as somebody wrote it.
///
/// What is handed on shall be what was sent: an object that is changed here keeps every member that nobody touched,
/// byte for byte, in its place, with the numbers as they were spelt.
struct JSONText: Hashable, Sendable {
    let bytes: ArraySlice<UInt8>

    /// Takes the one value that a body holds; `nil` when it is not well formed.
    init?(_ body: ByteBuffer) { self.init(Array(body.readableBytesView)[...]) }

    init?(_ bytes: ArraySlice<UInt8>) {
        var scanner = JSONScanner(bytes)
        guard let value = scanner.value(), scanner.isAtEnd else { return nil }
        self.bytes = value
    }

    /// For what the scanner has been through already.
    fileprivate init(scanned bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    init(encoding value: some Encodable) throws(APIError) {
        bytes = Array(try JSON.bytes(value).readableBytesView)[...]
    }

    /// A list of values.
    init(list: [JSONText]) {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for (index, item) in list.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += item.bytes
        }
        bytes.append(UInt8(ascii: "]"))
        self.bytes = bytes[...]
    }

    init(_ object: JSONMembers) {
        var bytes: [UInt8] = [UInt8(ascii: "{")]
        for (index, member) in object.members.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += member.key
            bytes.append(UInt8(ascii: ":"))
            bytes += member.value.bytes
        }
        bytes.append(UInt8(ascii: "}"))
        self.bytes = bytes[...]
    }

    var buffer: ByteBuffer { ByteBuffer(bytes: bytes) }

    var isNull: Bool { bytes.elementsEqual("null".utf8) }

    /// The members, if it is an object.
    var object: JSONMembers? {
        var scanner = JSONScanner(bytes)
        return scanner.members().map { pairs in
            JSONMembers(pairs.map { (key: $0.key, value: JSONText(scanned: $0.value)) })
        }
    }

    /// The items, if it is a list.
    var list: [JSONText]? {
        var scanner = JSONScanner(bytes)
        return scanner.items()?.map { JSONText(scanned: $0) }
    }

    var text: String? { JSONScanner.text(of: bytes) }

    /// What it means to a type; `nil` when it is something else.
    func value<T: Decodable>(as type: T.Type = T.self) -> T? {
        try? JSONDecoder().decode(T.self, from: Data(bytes))
    }
}

/// The members of a JSON object, in their order.
struct JSONMembers: Sendable {
    typealias Member = (key: ArraySlice<UInt8>, value: JSONText)

    /// Keys with their quotes.
    private(set) var members: [Member]

    init(_ members: [Member] = []) { self.members = members }

    /// A member by its name in any case, as Go reads it: of several the last counts.
    ///
    /// Set to `nil`, it is removed.
    subscript(_ name: String) -> JSONText? {
        get { members.last { Self.isCalled(name, $0) }?.value }
        set {
            guard let newValue else { return members.removeAll { Self.isCalled(name, $0) } }
            guard let at = members.firstIndex(where: { Self.isCalled(name, $0) }) else {
                return members.append((key: Array("\"\(name)\"".utf8)[...], value: newValue))
            }
            members[at].value = newValue
            members = members.enumerated().filter { $0.offset == at || !Self.isCalled(name, $0.element) }.map(\.element)
        }
    }

    /// The object that is a member; empty when there is none, or it is `null`.
    func object(_ name: String) -> JSONMembers { self[name]?.object ?? JSONMembers() }

    /// Names as they were written, with what they name.
    var named: [(name: String, value: JSONText)] {
        members.compactMap { member in JSONScanner.text(of: member.key).map { ($0, member.value) } }
    }

    private static func isCalled(_ name: String, _ member: Member) -> Bool {
        let inside = member.key.dropFirst().dropLast()
        if inside.count == name.utf8.count {
            return zip(inside, name.utf8).allSatisfy { $0 == $1 || ($0 | 0x20 == $1 | 0x20 && isLetter($0)) }
        }
        return inside.contains(UInt8(ascii: "\\"))
            && JSONScanner.text(of: member.key)?.lowercased() == name.lowercased()
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte | 0x20) }
}
