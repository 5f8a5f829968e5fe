import CausewayDNS
import CausewayModel
import Testing

@Suite struct MessageTests {
    let query = hex(
        """
        1234 0100 0001 0000 0000 0001   ; id, RD, one question, one additional
        03 576562 05 4c6f63616c 00      ; Web.Local.
        0001 0001                       ; A IN
        00 0029 1000 00 00 8000 0000    ; OPT: 4096 bytes, version 0, DO
        """)

    @Test func `a query with an OPT record is read`() throws {
        let message = try DNS.Message(decoding: query)

        #expect(message.id == 0x1234)
        #expect(!message.isResponse)
        #expect(message.isRecursionDesired)
        #expect(message.questions == [DNS.Question(DNS.Name("web.local")!, .a)])
        #expect(message.questions.first?.name.description == "Web.Local.")
        #expect(message.extended == DNS.ExtendedDNS(payloadSize: 4096))
        #expect(message.additionals.isEmpty)
        #expect(message.udpLimit == 4096)
    }

    @Test func `a response repeats the question as it was written and points to it`() throws {
        var response = try DNS.Message(decoding: query).response(.noError)
        response.isAuthoritative = true
        response.answers = [
            DNS.ResourceRecord(
                response.questions[0].name, .a(IPv4Address("10.0.1.2")!), timeToLive: 60),
            DNS.ResourceRecord(
                response.questions[0].name, .aaaa(IPv6Address("fd00::2")!), timeToLive: 60),
        ]

        #expect(
            response.encoded()
                == hex(
                    """
                    1234 8580 0001 0002 0000 0001
                    03 576562 05 4c6f63616c 00 0001 0001
                    c00c 0001 0001 0000003c 0004 0a000102
                    c00c 001c 0001 0000003c 0010 fd000000 00000000 00000000 00000002
                    00 0029 1000 00 00 0000 0000
                    """))
    }

    @Test func `a pointer record's target shares its suffix with the question`() {
        let name = DNS.Name("2.1.0.10.in-addr.arpa")!
        let message = DNS.Message(
            id: 7, isResponse: true, questions: [DNS.Question(name, .ptr)],
            answers: [DNS.ResourceRecord(name, .ptr(DNS.Name("web.arpa")!), timeToLive: 1)])

        #expect(
            message.encoded()
                == hex(
                    """
                    0007 8100 0001 0001 0000 0000
                    01 32 01 31 01 30 02 3130 07 696e2d61646472 04 61727061 00 000c 0001
                    c00c 000c 0001 00000001 0006 03 776562 c01d
                    """))
    }

    @Test func `a compressed response is read`() throws {
        let message = try DNS.Message(
            decoding: hex(
                """
                0007 8180 0001 0002 0000 0000
                03 777777 07 6578616d706c65 00 0001 0001
                c00c 0005 0001 00000010 0006 03 63646e c010      ; CNAME cdn.example., kept as bytes
                03 63646e c010 0001 0001 00000010 0004 c0000201  ; A 192.0.2.1
                """))

        #expect(message.answers.count == 2)
        #expect(message.answers[0].type == .cname)
        #expect(
            message.answers[1]
                == DNS.ResourceRecord(
                    DNS.Name("cdn.example")!, .a(IPv4Address("192.0.2.1")!), timeToLive: 16))
    }

    @Test func `an extended response code is written in two places and read from both`() throws {
        let message = DNS.Message(
            id: 1, isResponse: true, responseCode: .badVersion, extended: DNS.ExtendedDNS(payloadSize: 512))

        let bytes = message.encoded()

        #expect(bytes == hex("0001 8100 0000 0000 0000 0001 00 0029 0200 01 00 0000 0000"))
        #expect(try DNS.Message(decoding: bytes).responseCode == .badVersion)
    }

    @Test func `what does not fit is cut between records and the message says so`() throws {
        let name = DNS.Name("web")!
        let answers = (0..<100).map {
            DNS.ResourceRecord(name, .a(IPv4Address(rawValue: 0x0a00_0000 + $0)), timeToLive: 2)
        }
        let message = DNS.Message(
            id: 1, isResponse: true, questions: [DNS.Question(name, .a)], answers: answers,
            extended: DNS.ExtendedDNS(payloadSize: 512))

        let bytes = message.encoded(limit: 512)
        let read = try DNS.Message(decoding: bytes)

        // 12 header + 9 question + 11 OPT; 16 for each answer.
        #expect(bytes.count == 12 + 9 + 11 + 30 * 16)
        #expect(read.isTruncated)
        #expect(read.answers == Array(answers.prefix(30)))
        #expect(read.extended != nil)
        #expect(try !DNS.Message(decoding: message.encoded()).isTruncated)
    }
}

@Suite struct NameTests {
    @Test func `names that differ in case only are one`() {
        #expect(DNS.Name("Web.Front.") == DNS.Name("wEB.front"))
        #expect(Set([DNS.Name("A"), DNS.Name("a.")]).count == 1)
        #expect(DNS.Name("Web")?.key == "web")
    }

    @Test func `a name that the wire has no room for is refused`() {
        let label = String(repeating: "a", count: 63)

        #expect(DNS.Name(label) != nil)
        #expect(DNS.Name(label + "a") == nil)
        #expect(DNS.Name("\(label).\(label).\(label).\(String(repeating: "a", count: 61))") != nil)
        #expect(DNS.Name("\(label).\(label).\(label).\(String(repeating: "a", count: 62))") == nil)
        for text in ["", "a..b", ".a", ".."] { #expect(DNS.Name(text) == nil, "\(text)") }
        #expect(DNS.Name(".") == .root)
    }

    @Test func `a dot inside a label is not a dot between labels`() {
        #expect(DNS.Name(labels: [Array("a.b".utf8)])?.key == #"a\.b"#)
        #expect(DNS.Name(labels: [[0x07, 0xff]])?.key == #"\007\255"#)
        #expect(DNS.Name(labels: [Array("a.b".utf8)]) != DNS.Name("a.b"))
    }
}
