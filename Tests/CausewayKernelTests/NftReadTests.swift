import CausewayKernel
import CausewayModel
import Foundation
import Testing

@Suite struct NftReadTests {
    @Test func `the kernel's listing of a table of ours is that table`() throws {
        let tables = try Nft.Table.read(json: fixture("sample.nft.json"))
        #expect(tables.map(\.normalised) == [Sample.table.normalised])
    }

    @Test func `every rule read from JSON prints as nft prints it`() throws {
        let lines = try fixture("others.nft.txt").split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        let tables = try Nft.Table.read(json: fixture("others.nft.json"))
        #expect(tables.map(\.name) == ["others", "nd", "filter6", "b", "a"])
        let printed = Set(lines)
        var unlike: [String] = []
        for rule in tables.flatMap(\.chains).flatMap(\.rules) where !printed.contains(rule.text) {
            unlike.append(rule.text)
        }
        #expect(unlike == Self.spelt)
    }

    /// What we spell in another way than nft does, with the same meaning.
    private static let spelt = [
        "tcp flags & (fin | syn | rst | ack) == syn accept", "tcp flags & (fin | syn) == 0 accept",
        "tcp flags & (fin | syn | rst | ack) == syn accept",
        "icmp type destination-unreachable icmp code \"host-unreachable\" accept",
        "limit rate 10/second burst 5 packets accept", "counter accept", "reject with icmpx port-unreachable",
        "reject with icmpx port-unreachable", "meta mark set numgen random mod 2 map { 0 : 1, 1 : 2 }",
        "meta mark set {\"symhash\":{\"mod\":2}}", adds, updates + " accept", "ip dscp \"cs1\" accept",
        "ip dscp set \"cs1\"", "@nh,96,32 167772161 accept", quota + " drop", count + " drop",
        "ct expiration 30 accept", "ct event set new | \"destroy\"", synproxy, ipsec + " 1 accept",
        os + " \"Linux\" accept", "tcp dport 1 redirect to :80-90", "arp operation \"request\" accept",
    ]

    private static let adds =
        "{\"set\":{\"op\":\"add\",\"elem\":{\"elem\":{\"val\":{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}},"
        + "\"timeout\":60}},\"set\":\"@dyn\"}}"
    private static let updates =
        "{\"set\":{\"op\":\"update\",\"elem\":{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}},\"set\":\"@dyn\","
        + "\"stmt\":[{\"limit\":{\"rate\":5,\"burst\":5,\"per\":\"second\"}}]}}"
    private static let quota = "{\"quota\":{\"val\":10,\"val_unit\":\"mbytes\",\"inv\":true}}"
    private static let count = "{\"ct count\":{\"val\":10,\"inv\":true}}"
    private static let synproxy = "{\"synproxy\":{\"mss\":1460,\"wscale\":7}}"
    private static let ipsec = "{\"ipsec\":{\"key\":\"reqid\",\"dir\":\"in\",\"spnum\":0}}"
    private static let os = "{\"osf\":{\"key\":\"name\"}}"

    @Test func `what is not understood is kept with its text`() throws {
        let tables = try Nft.Table.read(json: fixture("others.nft.json"))
        let texts = tables.flatMap(\.chains).flatMap(\.rules).flatMap(\.expressions).compactMap { expression in
            switch expression {
            case .unknown(let text), .match(.unknown(let text), _, _), .set(_, to: .unknown(let text)): text
            default: nil
            }
        }
        #expect(
            texts == [
                "{\"symhash\":{\"mod\":2}}", Self.adds, Self.updates, Self.quota, Self.count, Self.synproxy, Self.ipsec,
                Self.os,
            ])
    }

    @Test func `sets and maps keep types, flags, comments and verdicts`() throws {
        let table = try #require(try Nft.Table.read(json: fixture("others.nft.json")).first)
        func set(_ name: String) throws -> Nft.Set { try #require(table.sets.first { $0.name == name }) }

        let pub = try set("pub")
        #expect(pub.key == [.inetProtocol, .inetService, .integer])
        #expect(pub.data == [.ipv4Address, .inetService])
        #expect(
            pub.elements.contains(
                Nft.Element(
                    key: [.name("udp"), .number(53), .number(63)], data: [address("10.0.0.6"), .number(5353)],
                    comment: "hi")))
        let verdicts = try set("vercat")
        #expect(verdicts.data == [.verdict])
        #expect(
            verdicts.elements == [
                Nft.Element(key: [address("1.1.1.1"), .number(22)], verdict: .goto("other"), comment: "ssh")
            ])
        #expect(try set("catall").flags == ["interval"])
        #expect(
            try set("catall").elements.contains(
                Nft.Element(key: [prefix("10.0.0.0/24"), .range(.number(80), .number(90))])))
        #expect(try set("macs").elements == [Nft.Element(key: [.name("02:42:0a:00:00:05")])])
    }

    @Test func `modules of iptables come back by name`() throws {
        let tables = try Nft.Table.read(json: fixture("docker-host.nft.json"))
        let all = tables.flatMap(\.chains).flatMap(\.rules).flatMap(\.expressions)
        #expect(all.contains(.xt(kind: "match", name: "addrtype")))
        #expect(all.contains(.xt(kind: "target", name: "MASQUERADE")))
        #expect(tables.allSatisfy { $0.isFromIPTables })
        #expect(!Sample.table.isFromIPTables)
    }

    @Test(arguments: [
        "", "{", "[]", "{\"nftables\": 5}", "{\"nftables\": [}", "{\"nftables\": [\"\\u12\"]}", "{\"nftables\": []} x",
    ])
    func `malformed JSON is an error, never a crash`(_ text: String) {
        #expect(throws: Nft.ReadError.self) { try Nft.Table.read(json: text) }
    }

    @Test func `JSON that is nested without end is an error, never a crash`() {
        #expect(throws: Nft.ReadError.self) { try Nft.Table.read(json: String(repeating: "[", count: 100_000)) }
    }

    @Test func `JSON of a strange shape loses nothing and does not crash`() throws {
        let json = """
            {"nftables": [5, {"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [
              7, "x", {"match": 5}, {"match": {"op": "~", "left": 1, "right": 2}}, {"a": 1, "b": 2}, {"jump": null},
              {"dnat": {"addr": {"zork": [1, {"x": null}]}}}]}}]}
            """
        let table = try #require(try Nft.Table.read(json: json).first)
        #expect(
            table.chains.first?.rules.first?.expressions == [
                .unknown("7"), .unknown("\"x\""), .unknown("{\"match\":5}"),
                .unknown("{\"match\":{\"op\":\"~\",\"left\":1,\"right\":2}}"), .unknown("{\"a\":1,\"b\":2}"),
                .unknown("{\"jump\":null}"),
                .dnat(Nft.NAT(family: nil, address: .unknown("{\"zork\":[1,{\"x\":null}]}"))),
            ])
    }

    @Test func `a table survives its own coding`() throws {
        let tables = try Nft.Table.read(json: fixture("others.nft.json")) + [Sample.table]
        let data = try JSONEncoder().encode(tables)
        #expect(try JSONDecoder().decode([Nft.Table].self, from: data) == tables)
    }
}
