import CausewayKernel
import CausewayModel
import CausewayTestKit
import Foundation
import Testing

@testable import CausewayLinux

/// Elements that we write and read ourselves, against the real kernel and against libnftables.
@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Nft batches` {
    let host: TestNamespace

    init() async throws { host = try await TestNamespace("nft-batch") }

    private static let table = KernelState.tableName

    private static func v4(_ number: UInt32) -> Nft.Value { .address(.v4(IPv4Address(rawValue: 0x0a00_0000 + number))) }

    private static func v6(_ number: UInt64) -> Nft.Value {
        .address(.v6(IPv6Address(high: 0xfd00 << 48, low: number)))
    }

    private static func prefix(_ text: String) -> Nft.Value { CIDR(text).map { .prefix($0) } ?? .name(text) }

    /// A set of every shape that the compiler makes, with some elements.
    private static let sets: [Nft.Set] = [
        Nft.Set(
            name: "published4", key: [.inetProtocol, .inetService, .integer], data: [.ipv4Address, .inetService],
            elements: (0..<64).map { slot in
                Nft.Element(
                    key: [.name("tcp"), .number(8080), .number(slot)], data: [v4(UInt32(slot % 3)), .number(80)])
            }),
        Nft.Set(
            name: "published6", key: [.inetProtocol, .inetService, .integer], data: [.ipv6Address, .inetService],
            elements: (0..<256).map { slot in
                Nft.Element(key: [.name("udp"), .number(53), .number(slot)], data: [v6(slot % 40), .number(5353)])
            }),
        Nft.Set(
            name: "backends4", key: [.ipv4Address, .integer], data: [.ipv4Address],
            elements: (0..<64).map { Nft.Element(key: [v4(99), .number($0)], data: [v4(UInt32($0 % 5))]) }),
        Nft.Set(
            name: "backends6", key: [.ipv6Address, .integer], data: [.ipv6Address],
            elements: (0..<64).map { Nft.Element(key: [v6(99), .number($0)], data: [v6($0 % 5)]) }),
        Nft.Set(name: "vips4", key: [.ipv4Address], elements: [Nft.Element(key: [v4(99)], comment: "service schön")]),
        Nft.Set(name: "vips6", key: [.ipv6Address], elements: [Nft.Element(key: [v6(99)], comment: "service a")]),
        Nft.Set(
            name: "sources4", key: [.interfaceName, .ipv4Address],
            elements: [Nft.Element(key: [.name("cw-0123456789"), v4(7)], comment: "task web.1")]),
        Nft.Set(
            name: "sources6", key: [.interfaceName, .ipv6Address],
            elements: [Nft.Element(key: [.name("cw-1"), v6(7)])]),
        Nft.Set(
            name: "targets6", key: [.ipv6Address, .inetProtocol, .inetService],
            elements: [Nft.Element(key: [v6(7), .name("sctp"), .number(65535)])]),
        Nft.Set(
            name: "ports", key: [.inetProtocol, .inetService],
            elements: [Nft.Element(key: [.name("tcp"), .number(8080)], comment: "service web")]),
        Nft.Set(
            name: "bind_links", key: [.inetProtocol, .inetService, .interfaceName],
            elements: [Nft.Element(key: [.name("tcp"), .number(8080), .name("eth0")])]),
    ]

    private static let intervals: [Nft.Set] = [
        Nft.Set(
            name: "subnets4", key: [.ipv4Address], flags: ["interval"],
            elements: [
                Nft.Element(key: [prefix("10.0.1.0/24")], comment: "network a"),
                Nft.Element(key: [prefix("10.0.2.0/24")], comment: "network b"),
            ]),
        Nft.Set(
            name: "networks6", key: [.ipv6Address, .ipv6Address], flags: ["interval"],
            elements: [Nft.Element(key: [prefix("fd00:1::/64"), prefix("fd00:1::/64")], comment: "network a")]),
        Nft.Set(
            name: "from4", key: [.inetProtocol, .inetService, .ipv4Address], flags: ["interval"],
            elements: [Nft.Element(key: [.name("tcp"), .number(80), prefix("192.0.2.0/24")])]),
    ]

    private static let chain = Nft.Chain(
        name: "forward", base: .init(.filter, .forward, priority: -5),
        rules: [
            Nft.Rule([
                .match(.ct("state"), .equal, .value(.anonymousSet([.name("established"), .name("related")]))),
                .verdict(.accept),
            ]),
            Nft.Rule([
                .match(.payload("ip", "daddr"), .equal, .value(.set("vips4"))), .counter(), .verdict(.drop),
            ]),
        ])

    private func table(_ sets: [Nft.Set]) -> Nft.Table {
        Nft.Table(family: .inet, name: Self.table, sets: sets, chains: [Self.chain])
    }

    private func without(_ sets: [Nft.Set]) -> [Nft.Set] { sets.map(\.declaration) }

    private func kernel(_ memory: NftMemory? = nil) -> LinuxKernel {
        LinuxKernel(namespace: host.namespace, scope: .task, memory: memory)
    }

    private func state(_ sets: [Nft.Set]) -> KernelState { KernelState(tables: [table(sets)]) }

    /// Takes the steps from one state to another.
    private func go(from old: KernelState, to new: KernelState, _ kernel: LinuxKernel) async throws {
        for step in Plan(from: old, to: new).steps { try await kernel.take(step) }
    }

    /// The tables as libnftables lists them, and as we read them.
    private func bothReadings() async throws -> (listed: [Nft.Table], read: [Nft.Table]) {
        let listed = try await host.namespace.perform { try Nftables.list(.inet, Self.table) }
        return (listed.map(\.normalised), try await kernel().observe().tables.map(\.normalised))
    }

    @Test func `what we write is what nft lists, for sets of every shape`() async throws {
        try await go(from: KernelState(), to: state(without(Self.sets)), kernel())
        try await go(from: state(without(Self.sets)), to: state(Self.sets), kernel())

        let (listed, read) = try await bothReadings()
        #expect(listed == [table(Self.sets).normalised])
        #expect(read == [table(Self.sets).normalised])
    }

    @Test func `what we take away is gone, and what has another value has it`() async throws {
        try await go(from: KernelState(), to: state(Self.sets), kernel())
        let half = Self.sets.map { set in
            var set = set
            set.elements = set.elements.enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
            if set.name.hasPrefix("backends4") {
                for index in set.elements.indices { set.elements[index].data = [Self.v4(77)] }
            }
            return set
        }
        try await go(from: state(Self.sets), to: state(half), kernel())

        let (listed, read) = try await bothReadings()
        #expect(listed == [table(half).normalised])
        #expect(read == listed)
    }

    @Test func `intervals go through libnftables, and mix with the rest in one transaction`() async throws {
        let all = Self.sets + Self.intervals
        try await go(from: KernelState(), to: state(without(all)), kernel())
        let before = try await generation()
        try await go(from: state(without(all)), to: state(all), kernel())

        #expect(try await generation() == before + 1)
        let (listed, read) = try await bothReadings()
        #expect(listed == [table(all).normalised])
        #expect(read == listed)
    }

    @Test func `a refused element names its set, and nothing of the change is done`() async throws {
        try await go(from: KernelState(), to: state(Self.sets), kernel())
        var wrong = Self.sets
        wrong[0].elements[0].data = [Self.v4(1), .number(81)]
        let add = Plan.SetElements(of: Self.sets[9], [.one(Nft.Element(key: [.name("udp"), .number(1)]))])
        let gone = Plan.SetElements(of: Self.sets[8], [.one(Nft.Element(key: [Self.v6(1), .name("tcp"), .number(1)]))])
        let clash = Plan.SetElements(of: wrong[0], wrong[0].entries([wrong[0].elements[0]]))

        let missing = await #expect(throws: KernelError.self) {
            try await kernel().take(.elementsChange(family: .inet, table: Self.table, delete: [gone], add: [add]))
        }
        let taken = await #expect(throws: KernelError.self) {
            try await kernel().take(.elementsChange(family: .inet, table: Self.table, delete: [], add: [add, clash]))
        }

        #expect(missing?.reason == .notFound && missing?.step.contains("element delete causeway targets6") == true)
        #expect(taken?.reason == .alreadyExists && taken?.step.contains("element add causeway published4") == true)
        #expect(try await bothReadings().read == [table(Self.sets).normalised])
    }

    @Test func `a change by somebody else in between is noticed, and ours is done all the same`() async throws {
        let memory = NftMemory()
        try await go(from: KernelState(), to: state(Self.sets), kernel(memory))
        _ = try await kernel(memory).observe()
        var less = Self.sets
        less[0].elements.removeLast()
        try await go(from: state(Self.sets), to: state(less), kernel(memory))
        #expect(try await generation() == memory.generation)

        try await host.run("nft", "delete element inet causeway vips4 { 10.0.0.99 }")
        try await go(from: state(less), to: state(Self.sets), kernel(memory))

        #expect(memory.generation == nil)
        let observed = try await kernel(memory).observe()
        #expect(Plan(from: observed, to: state(Self.sets)).steps.count == 1)
        #expect(try await generation() == memory.generation)
    }

    @Test func `a large table is filled while no packet meets it, and a half filled one is begun again`() async throws {
        var large = Self.sets[0]
        large.elements = (0..<100).flatMap { port in
            (0..<64).map { slot in
                Nft.Element(
                    key: [.name("tcp"), .number(1000 + port), .number(slot)],
                    data: [Self.v4(UInt32(slot % 3)), .number(80)])
            }
        }
        let all = [large] + Self.sets.dropFirst() + Self.intervals
        try await host.shell("nft 'table inet causeway { flags dormant; set vips4 { type ipv4_addr; }; }'")
        let seen = try await kernel().observe()
        try await go(from: seen, to: state(all), kernel())

        // The kernel lets a set's hash table grow after the change; what is dumped meanwhile may have an element twice.
        let wanted = [table(all).normalised]
        var (listed, read) = try await bothReadings()
        for _ in 0..<50 where listed != wanted || read != wanted {
            try await Task.sleep(for: .milliseconds(100))
            (listed, read) = try await bothReadings()
        }
        // Not as operands: thousands of elements would be printed.
        let (isListed, isRead) = (listed == wanted, read == wanted)
        #expect(isListed && isRead)
        let listing = try await host.run("nft", "-t", "list ruleset")
        #expect(!listing.contains("dormant"))
    }

    private func generation() async throws -> UInt32 {
        try await host.namespace.perform { try NetfilterSocket().generation() }
    }
}
