import CLinux
import CausewayKernel
import Glibc

/// Reads the elements of sets as the kernel has them, without libnftables: its text of a map with 640,000 elements
/// takes over a gigabyte.
struct NftSetReader {
    /// How often a set is read again that changed meanwhile.
    private static let attempts = 10

    let socket: NetlinkSocket
    let family: Nft.Family
    let table: String

    /// Whether a set's elements can be read here: like ``NftElementEncoder``, no intervals.
    static func canRead(_ set: Nft.Set) -> Bool {
        !set.flags.contains("interval") && (set.key + (set.data ?? [])).allSatisfy { $0.length != nil }
    }

    func elements(of set: Nft.Set) throws(NetlinkError) -> Nft.Elements {
        var question = NetlinkWriter.netfilter(
            UInt16(NFNL_SUBSYS_NFTABLES), UInt16(NFT_MSG_GETSETELEM.rawValue), family: family.netlink)
        question.attribute(UInt16(NFTA_SET_ELEM_LIST_TABLE.rawValue), table)
        question.attribute(UInt16(NFTA_SET_ELEM_LIST_SET.rawValue), set.name)
        for _ in 0..<Self.attempts {
            var collector = NftElementCollector(set)
            var malformed: NetlinkReader.Malformed?
            let isWhole = try socket.dump(question) { message in
                do throws(NetlinkReader.Malformed) { try collector.take(message.payload) } catch { malformed = error }
            }
            if let malformed { throw NetlinkError(malformed) }
            if isWhole { return collector.elements }
        }
        throw NetlinkError(.disturbed, errno: EINTR)
    }
}

/// Puts elements together as they come, slots in rows.
struct NftElementCollector {
    private let set: Nft.Set
    private let hasSlots: Bool
    private let keyLengths: [Int]
    private let dataLengths: [Int]
    private var others: [Nft.Elements.Entry] = []
    private var rows: [ArraySlice<UInt8>: Row] = [:]

    /// A row in the kernel's own bytes: decoded once for each value, not for each slot.
    private struct Row {
        var values: [ArraySlice<UInt8>] = []
        var slots: [UInt16] = []

        mutating func set(_ slot: Int, _ data: ArraySlice<UInt8>) {
            while slots.count <= slot { slots.append(Nft.Elements.Row.empty) }
            let choice = values.firstIndex(of: data) ?? values.count
            if choice == values.count { values.append(Array(data)[...]) }
            slots[slot] = UInt16(choice)
        }
    }

    init(_ set: Nft.Set) {
        self.set = set
        hasSlots = set.hasSlots
        keyLengths = Self.lengths(set.key)
        dataLengths = Self.lengths(set.data ?? [])
    }

    /// Takes a message's payload, nfgenmsg first.
    mutating func take(_ payload: ArraySlice<UInt8>) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(payload)
        _ = try reader.take(4)
        let list = try reader.attributes().nested(UInt16(NFTA_SET_ELEM_LIST_ELEMENTS.rawValue))
        for element in list.all { try add(element.payload) }
    }

    private mutating func add(_ payload: ArraySlice<UInt8>) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(payload)
        let attributes = try reader.attributes()
        func value(_ type: UInt16) throws(NetlinkReader.Malformed) -> ArraySlice<UInt8>? {
            try attributes.nested(type)[UInt16(NFTA_DATA_VALUE.rawValue)]
        }
        guard let key = try value(UInt16(NFTA_SET_ELEM_KEY.rawValue)) else { return }
        let data = try value(UInt16(NFTA_SET_ELEM_DATA.rawValue))
        let comment = attributes[UInt16(NFTA_SET_ELEM_USERDATA.rawValue)].flatMap(Self.comment)
        if hasSlots, comment == nil, let data, addSlot(key, data) { return }
        others.append(
            .one(
                Nft.Element(
                    key: values(key, set.key, keyLengths), data: data.map { values($0, set.data ?? [], dataLengths) },
                    comment: comment
                ).normalised(key: set.key, data: set.data ?? [])))
    }

    /// - Returns: whether the last part of the key is a slot's number.
    private mutating func addSlot(_ key: ArraySlice<UInt8>, _ data: ArraySlice<UInt8>) -> Bool {
        guard key.count > 4, let last = Nft.DataType.integer.value(of: key.suffix(4)), case .number(let slot) = last,
            slot < Nft.Elements.Row.limit
        else { return false }
        // Copied, or the whole message would be kept for it.
        let prefix = key.dropLast(4)
        if rows[prefix] == nil { rows[Array(prefix)[...]] = Row() }
        rows[prefix]?.set(Int(slot), data)
        return true
    }

    var elements: Nft.Elements {
        Nft.Elements(
            others
                + rows.compactMap { prefix, row in
                    let key = values(prefix, set.key.dropLast(), keyLengths.dropLast())
                    let choices = row.values.map { values($0, set.data ?? [], dataLengths) }
                    let slots = row.slots.map { $0 == Nft.Elements.Row.empty ? nil : choices[Int($0)] }
                    return Nft.Elements.Row(key: key, values: slots).map { .row($0) }
                })
    }

    private func values(
        _ bytes: ArraySlice<UInt8>, _ types: some Collection<Nft.DataType>, _ lengths: some Collection<Int>
    ) -> [Nft.Value] {
        var rest = bytes
        return zip(types, lengths).map { type, length in
            defer { rest = rest.dropFirst(length) }
            let value = type.value(of: rest.prefix(type.length ?? length)) ?? .name("")
            return value.normalised(isProtocol: type == .inetProtocol)
        }
    }

    /// How much of a key or of data each part takes.
    private static func lengths(_ types: [Nft.DataType]) -> [Int] {
        types.count == 1 ? types.map { $0.length ?? 0 } : types.map(\.padded)
    }

    /// libnftnl's user data: type, length and value one after the other; type 0 is a comment.
    private static func comment(_ userData: ArraySlice<UInt8>) -> String? {
        var rest = userData
        while rest.count >= 2 {
            let (type, length) = (rest[rest.startIndex], Int(rest[rest.startIndex + 1]))
            let value = rest.dropFirst(2).prefix(length)
            if type == 0 { return String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
            rest = rest.dropFirst(2 + length)
        }
        return nil
    }
}
