import CausewayModel

extension DNS.Message {
    /// Reads one message that fills `bytes`, except that bytes behind it are ignored.
    ///
    /// Every count and length is checked against what is there; a compression pointer leads backwards only.
    package init(decoding bytes: [UInt8]) throws(DNS.Malformed) {
        var reader = DNS.Reader(bytes)
        let (header, counts) = try reader.header()
        self = header
        for _ in 0..<counts.questions { questions.append(try reader.question()) }
        for _ in 0..<counts.answers { answers.append(try reader.record()) }
        for _ in 0..<counts.authorities { authorities.append(try reader.record()) }
        for _ in 0..<counts.additionals {
            let start = reader.at
            let record = try reader.record()
            guard record.type == .opt else {
                additionals.append(record)
                continue
            }
            guard extended == nil else { throw DNS.Malformed(offset: start, why: "there is a second OPT record") }
            guard record.name == .root else { throw DNS.Malformed(offset: start, why: "an OPT record has a name") }
            // RFC 6891, 6.1.3: the class is the payload size; the TTL is code, version and flags.
            extended = DNS.ExtendedDNS(
                payloadSize: record.recordClass.rawValue, version: UInt8(truncatingIfNeeded: record.timeToLive >> 16))
            let upper = UInt16(truncatingIfNeeded: record.timeToLive >> 24) << 4
            responseCode = DNS.ResponseCode(rawValue: upper | responseCode.rawValue)
        }
    }

    /// Reads the header alone, for answering a message whose rest is malformed; `nil` when even that is too short.
    package init?(headerOf bytes: [UInt8]) {
        var reader = DNS.Reader(bytes)
        guard let header = try? reader.header().message else { return nil }
        self = header
    }
}

extension DNS {
    /// The one reader of the wire format.
    ///
    /// All that it reads is hostile.
    struct Reader {
        struct Counts {
            var questions: UInt16
            var answers: UInt16
            var authorities: UInt16
            var additionals: UInt16
        }

        private let bytes: [UInt8]
        private(set) var at = 0

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
        }

        mutating func header() throws(Malformed) -> (message: Message, counts: Counts) {
            let id = try uint16()
            let flags = try uint16()
            let counts = Counts(
                questions: try uint16(), answers: try uint16(), authorities: try uint16(), additionals: try uint16())
            let message = Message(
                id: id, isResponse: flags & 0x8000 != 0, opcode: Opcode(rawValue: UInt8(flags >> 11 & 0xf)),
                isAuthoritative: flags & 0x0400 != 0, isTruncated: flags & 0x0200 != 0,
                isRecursionDesired: flags & 0x0100 != 0, isRecursionAvailable: flags & 0x0080 != 0,
                responseCode: ResponseCode(rawValue: flags & 0xf))
            return (message, counts)
        }

        mutating func question() throws(Malformed) -> Question {
            Question(
                try name(), RecordType(rawValue: try uint16()), RecordClass(rawValue: try uint16()))
        }

        mutating func record() throws(Malformed) -> ResourceRecord {
            let name = try name()
            let type = RecordType(rawValue: try uint16())
            let recordClass = RecordClass(rawValue: try uint16())
            let timeToLive = UInt32(try uint16()) << 16 | UInt32(try uint16())
            let length = Int(try uint16())
            let start = at
            let data = try take(length)
            return ResourceRecord(
                name, try content(type, data, from: start), timeToLive: timeToLive, recordClass: recordClass)
        }

        private func content(
            _ type: RecordType, _ data: ArraySlice<UInt8>, from start: Int
        ) throws(Malformed) -> ResourceRecord.Content {
            switch type {
            case .a:
                guard let address = IPv4Address(bytes: data) else {
                    throw Malformed(offset: start, why: "an A record has \(data.count) bytes, not 4")
                }
                return .a(address)
            case .aaaa:
                guard let address = IPv6Address(bytes: data) else {
                    throw Malformed(offset: start, why: "an AAAA record has \(data.count) bytes, not 16")
                }
                return .aaaa(address)
            case .ptr:
                var inner = self
                inner.at = start
                let name = try inner.name()
                guard inner.at == data.endIndex else {
                    throw Malformed(offset: start, why: "a PTR record's name does not fill its \(data.count) bytes")
                }
                return .ptr(name)
            default:
                return .opaque(type, Array(data))
            }
        }

        mutating func name() throws(Malformed) -> Name {
            let start = at
            var labels: [[UInt8]] = []
            var size = 1
            var end: Int?
            // Each pointer must lead before the place where this part of the name began, so they come to an end.
            var earliest = at
            while true {
                let length = try byte()
                switch length {
                case 0:
                    if let end { at = end }
                    guard let name = Name(labels: labels) else {
                        throw Malformed(offset: start, why: "a name is longer than 255 bytes")
                    }
                    return name
                case 1...63:
                    size += 1 + Int(length)
                    guard size <= 255 else { throw Malformed(offset: start, why: "a name is longer than 255 bytes") }
                    labels.append(Array(try take(Int(length))))
                case 0xc0...:
                    let target = Int(length & 0x3f) << 8 | Int(try byte())
                    guard target < earliest else {
                        throw Malformed(offset: at - 2, why: "a compression pointer does not lead backwards")
                    }
                    if end == nil { end = at }
                    earliest = target
                    at = target
                default:
                    throw Malformed(offset: at - 1, why: "label type \(length >> 6) is not known")
                }
            }
        }

        mutating func uint16() throws(Malformed) -> UInt16 { UInt16(try byte()) << 8 | UInt16(try byte()) }

        private mutating func byte() throws(Malformed) -> UInt8 {
            guard at < bytes.count else { throw Malformed(offset: at, why: "the message ends too early") }
            defer { at += 1 }
            return bytes[at]
        }

        private mutating func take(_ count: Int) throws(Malformed) -> ArraySlice<UInt8> {
            guard count <= bytes.count - at else {
                throw Malformed(offset: at, why: "\(count) bytes run past the message's end")
            }
            defer { at += count }
            return bytes[at..<at + count]
        }
    }
}
