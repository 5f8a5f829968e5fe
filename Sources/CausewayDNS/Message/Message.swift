import CausewayModel

extension DNS {
    /// What is asked.
    package struct Question: Hashable, Sendable {
        package var name: Name
        package var type: RecordType
        package var recordClass: RecordClass

        package init(_ name: Name, _ type: RecordType, _ recordClass: RecordClass = .internet) {
            self.name = name
            self.type = type
            self.recordClass = recordClass
        }
    }

    /// One fact about a name.
    package struct ResourceRecord: Hashable, Sendable {
        package enum Content: Hashable, Sendable {
            case a(IPv4Address)
            case aaaa(IPv6Address)
            case ptr(Name)
            /// Any other type, by its bytes. Names inside are left as they came, so this is not written again.
            case opaque(RecordType, [UInt8])
        }

        package var name: Name
        package var recordClass: RecordClass
        /// Seconds.
        package var timeToLive: UInt32
        package var content: Content

        package init(
            _ name: Name, _ content: Content, timeToLive: UInt32, recordClass: RecordClass = .internet
        ) {
            self.name = name
            self.recordClass = recordClass
            self.timeToLive = timeToLive
            self.content = content
        }

        package var type: RecordType {
            switch content {
            case .a: .a
            case .aaaa: .aaaa
            case .ptr: .ptr
            case .opaque(let type, _): type
            }
        }
    }

    /// What an OPT record says about its sender (RFC 6891, 6.1.3); its options are not kept.
    package struct ExtendedDNS: Hashable, Sendable {
        /// The size of UDP message that the sender can take.
        package var payloadSize: UInt16
        package var version: UInt8

        package init(payloadSize: UInt16, version: UInt8 = 0) {
            self.payloadSize = payloadSize
            self.version = version
        }
    }

    /// A query or a response.
    package struct Message: Hashable, Sendable {
        package var id: UInt16
        package var isResponse: Bool
        package var opcode: Opcode
        package var isAuthoritative: Bool
        package var isTruncated: Bool
        package var isRecursionDesired: Bool
        package var isRecursionAvailable: Bool
        package var responseCode: ResponseCode
        package var questions: [Question]
        package var answers: [ResourceRecord]
        package var authorities: [ResourceRecord]
        /// Without the OPT record, which is ``extended``.
        package var additionals: [ResourceRecord]
        package var extended: ExtendedDNS?

        package init(
            id: UInt16, isResponse: Bool = false, opcode: Opcode = .query, isAuthoritative: Bool = false,
            isTruncated: Bool = false, isRecursionDesired: Bool = true, isRecursionAvailable: Bool = false,
            responseCode: ResponseCode = .noError, questions: [Question] = [], answers: [ResourceRecord] = [],
            authorities: [ResourceRecord] = [], additionals: [ResourceRecord] = [], extended: ExtendedDNS? = nil
        ) {
            self.id = id
            self.isResponse = isResponse
            self.opcode = opcode
            self.isAuthoritative = isAuthoritative
            self.isTruncated = isTruncated
            self.isRecursionDesired = isRecursionDesired
            self.isRecursionAvailable = isRecursionAvailable
            self.responseCode = responseCode
            self.questions = questions
            self.answers = answers
            self.authorities = authorities
            self.additionals = additionals
            self.extended = extended
        }

        /// The response to this query, with nothing in it yet: same identifier, same question.
        package func response(_ code: ResponseCode, answers: [ResourceRecord] = []) -> Message {
            Message(
                id: id, isResponse: true, opcode: opcode, isRecursionDesired: isRecursionDesired,
                isRecursionAvailable: true, responseCode: code, questions: questions, answers: answers,
                extended: extended.map { _ in ExtendedDNS(payloadSize: Self.payloadSize) })
        }

        /// The size of a UDP response that the sender of this query can take.
        package var udpLimit: Int { max(DNS.smallestLimit, Int(extended?.payloadSize ?? 0)) }

        /// What we say that we can take ourselves: the size that a listener's buffer has.
        package static let payloadSize: UInt16 = 4096
    }
}
