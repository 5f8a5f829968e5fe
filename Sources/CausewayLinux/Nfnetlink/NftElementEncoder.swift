import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// Writes elements of one set as nested attributes (`NFTA_LIST_ELEM`).
///
/// Sets with intervals are not for it: they hold networks, which are few and seldom change, and how a neighbour's end
/// is left out is libnftables' own affair.
struct NftElementEncoder {
    private let key: [Nft.DataType]
    private let data: [Nft.DataType]
    private let isAdding: Bool

    /// - Returns: `nil` for a set whose elements are not written by us.
    init?(_ part: Plan.SetElements, adding: Bool) {
        guard !part.isInterval, !part.key.isEmpty else { return nil }
        guard (part.key + (part.data ?? [])).allSatisfy({ $0.length != nil }) else { return nil }
        (key, data, isAdding) = (part.key, part.data ?? [], adding)
    }

    /// Appends an entry; `full` takes away what there is before it grows beyond `limit` bytes.
    ///
    /// - Returns: whether the entry's values fit the types.
    func append(
        _ entry: Nft.Elements.Entry, to bytes: inout [UInt8], full: (inout [UInt8]) -> Void, _ limit: Int
    ) -> Bool {
        switch entry {
        case .one(let element):
            guard element.verdict == nil, let one = self.element(element) else { return false }
            if bytes.count + one.count > limit { full(&bytes) }
            bytes += one
        case .row(let row):
            guard let choices = templates(of: row) else { return false }
            for (slot, choice) in row.slots.enumerated() where choice != Nft.Elements.Row.empty {
                let template = choices[Int(choice)]
                if bytes.count + template.count > limit { full(&bytes) }
                let start = bytes.count + slotOffset
                bytes += template
                withUnsafeBytes(of: UInt32(slot)) { number in
                    for index in 0..<4 { bytes[start + index] = number[index] }
                }
            }
        }
        return true
    }

    /// Where the slot's number stands in an element: last in the key, behind the headers of three attributes.
    private var slotOffset: Int { 12 + key.dropLast().reduce(0) { $0 + $1.padded } }

    /// An element for each value of a row, all with slot 0.
    private func templates(of row: Nft.Elements.Row) -> [[UInt8]]? {
        var all: [[UInt8]] = []
        for choice in row.choices {
            guard let one = element(Nft.Element(key: row.key + [.number(0)], data: choice)) else { return nil }
            all.append(one)
        }
        return all
    }

    private func element(_ element: Nft.Element) -> [UInt8]? {
        guard let keyBytes = Self.bytes(element.key, key) else { return nil }
        var dataBytes: [UInt8]?
        if isAdding, !data.isEmpty {
            guard let value = element.data, let bytes = Self.bytes(value, data) else { return nil }
            dataBytes = bytes
        }
        var writer = NetlinkWriter(type: 0)
        writer.nested(UInt16(NFTA_LIST_ELEM.rawValue)) { writer in
            Self.value(UInt16(NFTA_SET_ELEM_KEY.rawValue), keyBytes, &writer)
            if let dataBytes { Self.value(UInt16(NFTA_SET_ELEM_DATA.rawValue), dataBytes, &writer) }
            guard isAdding, let comment = element.comment else { return }
            // What libnftnl calls user data: type 0 is a comment, then its length with the NUL.
            writer.attribute(UInt16(NFTA_SET_ELEM_USERDATA.rawValue)) { writer in
                writer.put([0, UInt8(truncatingIfNeeded: comment.utf8.count + 1)])
                writer.string(comment)
            }
        }
        return writer.payload
    }

    private static func value(_ type: UInt16, _ bytes: [UInt8], _ writer: inout NetlinkWriter) {
        writer.nested(type) { $0.attribute(UInt16(NFTA_DATA_VALUE.rawValue)) { $0.put(bytes) } }
    }

    /// The parts of a concatenation are padded to four bytes each: they lie in registers of that size.
    private static func bytes(_ values: [Nft.Value], _ types: [Nft.DataType]) -> [UInt8]? {
        guard values.count == types.count else { return nil }
        var all: [UInt8] = []
        for (value, type) in zip(values, types) {
            guard let bytes = type.bytes(of: value) else { return nil }
            all += bytes
            if types.count > 1 { all += repeatElement(0, count: type.padded - bytes.count) }
        }
        return all
    }
}

extension Nft.DataType {
    /// In bytes; `nil` for what is not written by us.
    var length: Int? {
        switch self {
        case .inetProtocol: 1
        case .inetService, .zone: 2
        case .ipv4Address, .mark, .integer: 4
        case .etherAddress: 6
        case .ipv6Address, .interfaceName: 16
        case .verdict, .other: nil
        }
    }

    /// As a part of a concatenation.
    var padded: Int { ((length ?? 0) + 3) / 4 * 4 }

    /// Marks, zones and what `numgen` draws are in the host's byte order, all else in the network's.
    func bytes(of value: Nft.Value) -> [UInt8]? {
        switch (self, value) {
        case (.ipv4Address, .address(let address)), (.ipv6Address, .address(let address)):
            return address.bytes.count == length ? address.bytes : nil
        case (.inetService, .number(let number)):
            return UInt16(exactly: number).map { withUnsafeBytes(of: $0.bigEndian, Array.init) }
        case (.integer, .number(let number)), (.mark, .number(let number)):
            return UInt32(exactly: number).map { withUnsafeBytes(of: $0, Array.init) }
        case (.zone, .number(let number)):
            return UInt16(exactly: number).map { withUnsafeBytes(of: $0, Array.init) }
        case (.inetProtocol, .name(let name)): return Nft.protocolNumber(name).map { [$0] }
        case (.inetProtocol, .number(let number)): return UInt8(exactly: number).map { [$0] }
        case (.interfaceName, .name(let name)):
            let bytes = Array(name.utf8)
            guard bytes.count < 16, bytes.last != UInt8(ascii: "*") else { return nil }
            return bytes + repeatElement(0, count: 16 - bytes.count)
        case (.etherAddress, .name(let name)): return MACAddress(name)?.bytes
        default: return nil
        }
    }

    /// What the kernel's bytes stand for.
    func value(of bytes: ArraySlice<UInt8>) -> Nft.Value? {
        func number(_ bytes: some Sequence<UInt8>) -> Nft.Value { .number(bytes.reduce(0) { $0 << 8 | UInt64($1) }) }
        switch self {
        case .ipv4Address, .ipv6Address: return IPAddress(bytes: bytes).map { .address($0) }
        case .inetService, .inetProtocol: return number(bytes)
        case .integer, .mark, .zone: return UInt32(1).littleEndian == 1 ? number(bytes.reversed()) : number(bytes)
        case .interfaceName: return .name(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        case .etherAddress: return MACAddress(bytes: bytes).map { .name($0.description) }
        case .verdict, .other: return nil
        }
    }
}
