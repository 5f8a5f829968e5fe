import CLinux
import CausewayModel

/// Reads what the kernel wrote, taking every length for hostile.
///
/// Offsets are those of the buffer that was received, whatever the depth of nesting.
package struct NetlinkReader: Sendable {
    /// What does not follow netlink's rules, and where.
    package struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
        package var offset: Int
        package var why: String

        package var description: String { "malformed netlink message at byte \(offset): \(why)" }
    }

    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// What has not been read yet.
    package var remaining: ArraySlice<UInt8> { rest }

    package var isAtEnd: Bool { rest.isEmpty }

    /// Takes an integer in the host's byte order.
    package mutating func read<T: FixedWidthInteger>(_: T.Type = T.self) throws(Malformed) -> T {
        let bytes = try take(T.bitWidth / 8)
        var value: T = 0
        withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: bytes) }
        return value
    }

    /// Takes an integer in network byte order.
    package mutating func readBig<T: FixedWidthInteger>(_: T.Type = T.self) throws(Malformed) -> T {
        T(bigEndian: try read())
    }

    package mutating func take(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
        guard count <= rest.count else {
            throw Malformed(offset: rest.startIndex, why: "\(count) bytes wanted, \(rest.count) are left")
        }
        let bytes = rest.prefix(count)
        rest = rest.dropFirst(count)
        return bytes
    }

    /// Takes the rest as attributes.
    package mutating func attributes() throws(Malformed) -> NetlinkAttributes {
        var all: [(type: UInt16, payload: ArraySlice<UInt8>)] = []
        // Fewer than four bytes cannot hold an attribute: the kernel itself leaves such padding.
        while rest.count >= 4 {
            let at = rest.startIndex
            let length = Int(try read(UInt16.self))
            let type = try read(UInt16.self)
            guard length >= 4 else { throw Malformed(offset: at, why: "length \(length) is below the header's 4") }
            guard length - 4 <= rest.count else {
                throw Malformed(offset: at, why: "length \(length) runs past the message by \(length - 4 - rest.count)")
            }
            all.append((type & typeMask, try take(length - 4)))
            rest = rest.dropFirst(min(rest.count, (4 - length % 4) % 4))
        }
        return NetlinkAttributes(all: all)
    }
}

/// `NLA_TYPE_MASK`, which is an expression that Swift does not import.
private let typeMask: UInt16 = 0x3fff

/// The attributes of a message, or of an attribute that holds some.
package struct NetlinkAttributes: Sendable {
    package let all: [(type: UInt16, payload: ArraySlice<UInt8>)]

    /// The payload of the last attribute of a type.
    package subscript(type: UInt16) -> ArraySlice<UInt8>? { all.last { $0.type == type }?.payload }

    /// The attributes in an attribute; none when it is absent.
    package func nested(_ type: UInt16) throws(NetlinkReader.Malformed) -> NetlinkAttributes {
        guard let payload = self[type] else { return NetlinkAttributes(all: []) }
        var reader = NetlinkReader(payload)
        return try reader.attributes()
    }

    package func integer<T: FixedWidthInteger>(_ type: UInt16, _: T.Type = T.self) throws(NetlinkReader.Malformed) -> T?
    {
        guard let payload = self[type] else { return nil }
        var reader = NetlinkReader(payload)
        return try reader.read()
    }

    package func bigInteger<T: FixedWidthInteger>(
        _ type: UInt16, _: T.Type = T.self
    ) throws(NetlinkReader.Malformed) -> T? {
        try integer(type, T.self).map { T(bigEndian: $0) }
    }

    /// Text up to the first NUL; bytes that are not UTF-8 are replaced.
    package func string(_ type: UInt16) -> String? {
        self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The address in an attribute, or in the one that stands for it where the first is absent.
    package func address(_ type: UInt16, or other: UInt16? = nil) throws(NetlinkReader.Malformed) -> IPAddress? {
        guard let payload = self[type] ?? other.flatMap({ self[$0] }) else { return nil }
        guard let address = IPAddress(bytes: payload) else {
            throw NetlinkReader.Malformed(
                offset: payload.startIndex, why: "an address of \(payload.count) bytes, where 4 or 16 are possible")
        }
        return address
    }
}
