import CausewayModel

/// Answers to the ordinary query: one question for the addresses of a name that the table has.
///
/// Reads and writes in place, and gives exactly the bytes that ``Resolver`` and ``DNS/Message`` give, which answer
/// everything else: a test compares the two.
enum QuickAnswer {
    private static let headerSize = 12

    /// Writes the answer to `query` into `room`; returns its length, or `nil` when it is not for here to answer.
    static func write(
        _ query: UnsafeRawBufferPointer, _ names: PreparedNames, into room: UnsafeMutableRawBufferPointer,
        using generator: inout some RandomNumberGenerator
    ) -> Int? {
        // No response, opcode QUERY, one question, no answers, no authorities, at most one additional record.
        guard query.count >= headerSize + 5, query[2] & 0xf8 == 0, word(query, 4) == 1, word(query, 6) == 0,
            word(query, 8) == 0, word(query, 10) <= 1, let nameEnd = endOfName(query)
        else { return nil }
        let end = nameEnd + 4
        guard end <= query.count, word(query, nameEnd + 2) == DNS.RecordClass.internet.rawValue else { return nil }
        let family: IPFamily
        switch word(query, nameEnd) {
        case DNS.RecordType.a.rawValue: family = .ip
        case DNS.RecordType.aaaa.rawValue: family = .ip6
        default: return nil
        }
        var limit = DNS.smallestLimit
        let isExtended = word(query, 10) == 1
        if isExtended {
            guard let size = payloadSize(query, end) else { return nil }
            limit = max(limit, size)
        }
        let name = UnsafeRawBufferPointer(rebasing: query[headerSize..<nameEnd])
        guard let (addresses, timeToLive) = names.addresses(of: name, family) else { return nil }
        let width = family.width / 8
        let count = addresses.count / width
        let size = end + count * (12 + width) + (isExtended ? DNS.Writer.optionSize : 0)
        guard size <= min(limit, room.count) else { return nil }

        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: query[..<end]))
        // Response, authoritative; recursion desired as asked, available.
        room[2] = 0x84 | query[2] & 0x01
        room[3] = 0x80
        put(room, 6, UInt16(count))
        var at = end
        let first = count > 1 ? Int(generator.next(upperBound: UInt(count))) : 0
        for index in 0..<count {
            record(room, at, family, timeToLive, UInt16(width))
            let source = (first + index) % count * width
            for offset in 0..<width { room[at + 12 + offset] = addresses[source + offset] }
            at += 12 + width
        }
        if isExtended { option(room, at) }
        return size
    }

    /// Behind the question's name; `nil` for one that is compressed, too long or cut off.
    private static func endOfName(_ query: UnsafeRawBufferPointer) -> Int? {
        var at = headerSize
        while at < query.count, at - headerSize < 255 {
            let length = Int(query[at])
            if length == 0 { return at + 1 }
            guard length < 64 else { return nil }
            at += 1 + length
        }
        return nil
    }

    /// Of an OPT record of version 0 that fills the rest of the query.
    private static func payloadSize(_ query: UnsafeRawBufferPointer, _ at: Int) -> Int? {
        guard at + DNS.Writer.optionSize <= query.count, query[at] == 0,
            word(query, at + 1) == DNS.RecordType.opt.rawValue, query[at + 6] == 0,
            at + DNS.Writer.optionSize + Int(word(query, at + 9)) == query.count
        else { return nil }
        return Int(word(query, at + 3))
    }

    private static func record(
        _ room: UnsafeMutableRawBufferPointer, _ at: Int, _ family: IPFamily, _ timeToLive: UInt32, _ width: UInt16
    ) {
        put(room, at, 0xc000 | UInt16(headerSize))
        put(room, at + 2, family == .ip ? DNS.RecordType.a.rawValue : DNS.RecordType.aaaa.rawValue)
        put(room, at + 4, DNS.RecordClass.internet.rawValue)
        put(room, at + 6, UInt16(timeToLive >> 16))
        put(room, at + 8, UInt16(truncatingIfNeeded: timeToLive))
        put(room, at + 10, width)
    }

    private static func option(_ room: UnsafeMutableRawBufferPointer, _ at: Int) {
        put(room, 10, 1)
        room[at] = 0
        put(room, at + 1, DNS.RecordType.opt.rawValue)
        put(room, at + 3, DNS.Message.payloadSize)
        for offset in 5..<DNS.Writer.optionSize { room[at + offset] = 0 }
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt16 {
        UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
    }

    private static func put(_ bytes: UnsafeMutableRawBufferPointer, _ at: Int, _ value: UInt16) {
        bytes[at] = UInt8(value >> 8)
        bytes[at + 1] = UInt8(truncatingIfNeeded: value)
    }
}

/// Fast numbers (SplitMix64), for the order of addresses: nothing rests on their being unknown.
struct OrderGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
