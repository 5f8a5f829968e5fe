/// The Domain Name System's messages: RFC 1035, with EDNS0 (RFC 6891).
package enum DNS {
    /// Why bytes are not a DNS message.
    package struct Malformed: Error, Hashable, Sendable, CustomStringConvertible {
        package let offset: Int
        package let why: String

        package var description: String { "malformed DNS message at byte \(offset): \(why)" }
    }

    /// What a record holds, by number; the ones named here are those that the resolver knows.
    package struct RecordType: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt16

        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let a = RecordType(rawValue: 1)
        package static let ns = RecordType(rawValue: 2)
        package static let cname = RecordType(rawValue: 5)
        package static let soa = RecordType(rawValue: 6)
        package static let ptr = RecordType(rawValue: 12)
        package static let mx = RecordType(rawValue: 15)
        package static let txt = RecordType(rawValue: 16)
        package static let aaaa = RecordType(rawValue: 28)
        package static let srv = RecordType(rawValue: 33)
        package static let opt = RecordType(rawValue: 41)
        package static let any = RecordType(rawValue: 255)
    }

    /// A record's class: the Internet, nearly always.
    package struct RecordClass: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt16

        package init(rawValue: UInt16) { self.rawValue = rawValue }

        package static let internet = RecordClass(rawValue: 1)
        package static let any = RecordClass(rawValue: 255)
    }

    /// What the asker wants done; everything but ``query`` is refused as not implemented.
    package struct Opcode: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue & 0xf }

        package static let query = Opcode(rawValue: 0)
    }

    /// How it went: four bits in the header, and eight more in an OPT record.
    package struct ResponseCode: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt16

        package init(rawValue: UInt16) { self.rawValue = rawValue & 0xfff }

        package static let noError = ResponseCode(rawValue: 0)
        package static let formatError = ResponseCode(rawValue: 1)
        package static let serverFailure = ResponseCode(rawValue: 2)
        package static let nameError = ResponseCode(rawValue: 3)
        package static let notImplemented = ResponseCode(rawValue: 4)
        package static let refused = ResponseCode(rawValue: 5)
        package static let badVersion = ResponseCode(rawValue: 16)
    }

    /// The size that a UDP message has without EDNS0.
    package static let smallestLimit = 512
    /// The size that no message can exceed: the length in front of one on TCP has 16 bits.
    package static let largestLimit = 65_535
}

extension DNS.RecordType: CustomStringConvertible {
    package var description: String {
        switch self {
        case .a: "A"
        case .ns: "NS"
        case .cname: "CNAME"
        case .soa: "SOA"
        case .ptr: "PTR"
        case .mx: "MX"
        case .txt: "TXT"
        case .aaaa: "AAAA"
        case .srv: "SRV"
        case .opt: "OPT"
        case .any: "ANY"
        default: "TYPE\(rawValue)"
        }
    }
}

extension DNS.ResponseCode: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noError: "NOERROR"
        case .formatError: "FORMERR"
        case .serverFailure: "SERVFAIL"
        case .nameError: "NXDOMAIN"
        case .notImplemented: "NOTIMP"
        case .refused: "REFUSED"
        case .badVersion: "BADVERS"
        default: "RCODE\(rawValue)"
        }
    }
}
