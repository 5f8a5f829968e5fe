import CausewayModel

extension DNS.Message {
    /// The message's bytes, at most `limit`.
    ///
    /// Where they do not all fit, as many whole answers as do are kept and the message says that it is truncated
    /// (RFC 2181, 9), so that its reader asks again over TCP. Authorities and additionals are dropped first.
    package func encoded(limit: Int = DNS.largestLimit) -> [UInt8] {
        var writer = DNS.Writer()
        writer.header(self)
        for question in questions { writer.question(question) }
        let room = limit - (extended == nil ? 0 : DNS.Writer.optionSize)
        var counts: [UInt16] = [UInt16(truncatingIfNeeded: questions.count), 0, 0, 0]
        var isFull = false
        for (section, records) in [answers, authorities, additionals].enumerated() where !isFull {
            for record in records {
                let before = writer
                writer.record(record)
                guard writer.bytes.count <= room else {
                    writer = before
                    isFull = true
                    break
                }
                counts[section + 1] += 1
            }
        }
        if let extended {
            writer.option(extended, responseCode)
            counts[3] += 1
        }
        writer.patch(counts, isTruncated: isTruncated || isFull)
        return writer.bytes
    }
}

extension DNS {
    /// The one writer of the wire format; suffixes of names that it has written become pointers to them.
    struct Writer {
        /// The size of an OPT record without options.
        static let optionSize = 11

        private(set) var bytes: [UInt8] = []
        private var places: [Name: Int] = [:]

        mutating func header(_ message: Message) {
            uint16(message.id)
            var flags = UInt16(message.opcode.rawValue) << 11 | message.responseCode.rawValue & 0xf
            if message.isResponse { flags |= 0x8000 }
            if message.isAuthoritative { flags |= 0x0400 }
            if message.isRecursionDesired { flags |= 0x0100 }
            if message.isRecursionAvailable { flags |= 0x0080 }
            uint16(flags)
            for _ in 0..<4 { uint16(0) }
        }

        /// Fills in what is known only at the end.
        mutating func patch(_ counts: [UInt16], isTruncated: Bool) {
            if isTruncated { bytes[2] |= 0x02 }
            for (index, count) in counts.enumerated() {
                bytes[4 + 2 * index] = UInt8(count >> 8)
                bytes[5 + 2 * index] = UInt8(truncatingIfNeeded: count)
            }
        }

        mutating func question(_ question: Question) {
            name(question.name)
            uint16(question.type.rawValue)
            uint16(question.recordClass.rawValue)
        }

        mutating func record(_ record: ResourceRecord) {
            name(record.name)
            uint16(record.type.rawValue)
            uint16(record.recordClass.rawValue)
            uint16(UInt16(record.timeToLive >> 16))
            uint16(UInt16(truncatingIfNeeded: record.timeToLive))
            let length = bytes.count
            uint16(0)
            switch record.content {
            case .a(let address): bytes += address.bytes
            case .aaaa(let address): bytes += address.bytes
            case .ptr(let target): name(target)
            case .opaque(_, let data): bytes += data
            }
            let size = UInt16(truncatingIfNeeded: bytes.count - length - 2)
            bytes[length] = UInt8(size >> 8)
            bytes[length + 1] = UInt8(truncatingIfNeeded: size)
        }

        mutating func option(_ extended: ExtendedDNS, _ code: ResponseCode) {
            bytes.append(0)
            uint16(RecordType.opt.rawValue)
            uint16(extended.payloadSize)
            bytes += [UInt8(truncatingIfNeeded: code.rawValue >> 4), extended.version, 0, 0]
            uint16(0)
        }

        private mutating func name(_ name: Name) {
            var labels = name.labels[...]
            while let label = labels.first {
                guard let suffix = Name(labels: Array(labels)) else { break }
                if let place = places[suffix] {
                    uint16(0xc000 | UInt16(place))
                    return
                }
                // A pointer has 14 bits.
                if bytes.count < 0x4000 { places[suffix] = bytes.count }
                bytes.append(UInt8(label.count))
                bytes += label
                labels = labels.dropFirst()
            }
            bytes.append(0)
        }

        private mutating func uint16(_ value: UInt16) {
            bytes += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)]
        }
    }
}
