import CausewayModel
import Testing

@testable import CausewayKeeper

@Suite struct LedgerTests {
    static func table(_ names: [String: String]) -> NameTable {
        NameTable(
            names: names.mapValues { .init(addresses: [IPAddress($0)!], timeToLive: 60) },
            reverse: Dictionary(names.map { (IPAddress($1)!, $0) }) { first, _ in first })
    }

    static func kept(_ tables: [String: NameTable], ports: [UInt16] = []) -> Kept {
        Kept(
            resolvers: tables.mapValues { .init(namespacePath: "/run/netns/x", table: $0) },
            ports: Set(ports.map { Kept.Port(TransportPort(.tcp, $0)) }))
    }

    @Test func `a connection begins with the whole, even when that is nothing`() {
        var ledger = KeeperLedger()

        let first = ledger.change(to: Kept(), mayEnd: true)

        #expect(first?.isWhole == true)
        #expect(first?.mayEnd == true)
        #expect(ledger.change(to: Kept(), mayEnd: true) == nil)
    }

    @Test func `equal tables are told once, and nothing is told twice`() {
        var ledger = KeeperLedger()
        let table = Self.table(["web": "10.0.1.2"])
        let wanted = Self.kept(["a": table, "b": table, "c": Self.table(["db": "10.0.1.3"])], ports: [80])

        let first = ledger.change(to: wanted, mayEnd: true)

        #expect(first?.tables.count == 2)
        #expect(first?.resolvers.map(\.task) == ["a", "b", "c"])
        #expect(first?.mayEnd == false)
        #expect(ledger.change(to: wanted, mayEnd: true) == nil)
    }

    @Test func `a changed table is told as what differs`() {
        var ledger = KeeperLedger()
        let old = Self.table(["web": "10.0.1.2", "db": "10.0.1.3", "gone": "10.0.1.4"])
        let new = Self.table(["web": "10.0.1.2", "db": "10.0.1.9", "more": "10.0.1.5"])
        _ = ledger.change(to: Self.kept(["a": old, "b": old]), mayEnd: false)

        let change = ledger.change(to: Self.kept(["a": new, "b": new]), mayEnd: false)

        #expect(change?.isWhole == false)
        #expect(change?.tables.count == 1)
        #expect(change?.tables.first?.names.keys.sorted() == ["db", "more"])
        #expect(change?.tables.first?.goneNames == ["gone"])
        #expect(change?.tables.first?.applied(to: old) == new)
        #expect(change?.resolvers.map(\.task) == ["a", "b"])
    }

    @Test func `what is not wanted any more is let go by name`() {
        var ledger = KeeperLedger()
        let table = Self.table(["web": "10.0.1.2"])
        _ = ledger.change(to: Self.kept(["a": table, "b": table], ports: [80, 81]), mayEnd: true)

        let change = ledger.change(to: Self.kept(["b": table], ports: [81, 82]), mayEnd: true)

        #expect(change?.goneResolvers == ["a"])
        #expect(change?.gonePorts.map(\.port.port) == [80])
        #expect(change?.ports.map(\.port.port) == [82])
        #expect(change?.resolvers.isEmpty == true)
    }

    @Test func `what was refused is asked for again`() {
        var ledger = KeeperLedger()
        let wanted = Self.kept(["a": Self.table([:])], ports: [80])
        let first = ledger.change(to: wanted, mayEnd: true)
        ledger.forget(
            KeeperRefusals(
                ports: [.init(port: Kept.Port(TransportPort(.tcp, 80)), errno: 98, reason: "taken")],
                resolvers: [.init(task: "a", reason: "no namespace")]))

        let second = ledger.change(to: wanted, mayEnd: true)

        #expect(first?.isWhole == true && second?.isWhole == false)
        #expect(second?.ports.map(\.port.port) == [80])
        #expect(second?.resolvers.map(\.task) == ["a"])
    }

    @Test func `tables travel as what differs, whatever differs`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            func any() -> NameTable {
                var table = Self.table(
                    Dictionary(
                        (0..<Int.random(in: 0..<8, using: &random)).map { _ in
                            (
                                "n\(Int.random(in: 0..<10, using: &random))",
                                "10.0.0.\(Int.random(in: 0..<9, using: &random))"
                            )
                        }
                    ) { first, _ in first })
                table.upstreams = [IPAddress("192.0.2.\(Int.random(in: 0..<9, using: &random))")!]
                return table
            }
            let (old, new) = (any(), any())
            #expect(KeeperChange.Table(number: 2, from: (1, old), to: new).applied(to: old) == new)
            #expect(KeeperChange.Table(number: 2, from: nil, to: new).applied(to: NameTable()) == new)
        }
    }
}
