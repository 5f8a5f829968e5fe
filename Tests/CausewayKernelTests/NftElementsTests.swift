import CausewayKernel
import CausewayModel
import Testing

struct NftElementsTests {
    private static let map = Nft.Set(
        name: "m", key: [.inetProtocol, .inetService, .integer], data: [.ipv4Address, .inetService])

    private static func element(_ port: Int, _ slot: Int, _ host: Int) -> Nft.Element {
        Nft.Element(
            key: [.name("tcp"), .number(UInt64(port)), .number(UInt64(slot))],
            data: [.address(.v4(IPv4Address(rawValue: 0x0a00_0000 + UInt32(host)))), .number(80)])
    }

    private static func random(_ generator: inout SeededGenerator) -> [Nft.Element] {
        (0..<4).flatMap { port in
            (0..<8).filter { _ in generator.chance(70) }.map { slot in
                element(port, slot, Int.random(in: 0..<3, using: &generator))
            }
        }
    }

    private func keyed(_ elements: [Nft.Element]) -> Nft.Elements {
        var set = Self.map
        set.elements = elements
        return set.keyed
    }

    @Test(arguments: UInt64(1)...50)
    func `a difference says what differs, and applied it makes one of the other`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let (a, b) = (Self.random(&generator), Self.random(&generator))
        let (gone, new) = keyed(a).difference(to: keyed(b))

        #expect(Set(gone.flatMap(\.elements)) == Set(a).subtracting(b), "seed \(seed)")
        #expect(Set(new.flatMap(\.elements)) == Set(b).subtracting(a), "seed \(seed)")
        var changed = keyed(a)
        changed.change(delete: gone, add: new)
        #expect(changed == keyed(b), "seed \(seed)")
        #expect(changed.count == b.count, "seed \(seed)")
    }

    @Test func `what is shared is not looked at, and what is not is equal all the same`() {
        var generator = SeededGenerator(seed: 1)
        let elements = Self.random(&generator)
        #expect(keyed(elements) == keyed(elements.reversed()))
        #expect(keyed(elements).difference(to: keyed(elements.reversed())).gone.isEmpty)
    }

    @Test func `a set shows its elements sorted, and slots as one row`() {
        let keyed = keyed([Self.element(9, 2, 1), Self.element(9, 0, 1), Self.element(8, 1, 2)])
        #expect(keyed.entries.map(\.count) == [1, 2])
        #expect(
            keyed.entries.flatMap(\.elements) == [Self.element(8, 1, 2), Self.element(9, 0, 1), Self.element(9, 2, 1)])
    }

    @Test func `an element that no slot can be stands alone`() {
        var odd = Self.element(9, 0, 1)
        odd.comment = "somebody's"
        let huge = Self.element(9, 1_000_000, 1)
        let keyed = keyed([odd, huge, Self.element(9, 1, 1)])
        #expect(keyed.count == 3)
        #expect(Set(keyed.entries.flatMap(\.elements)) == [odd, huge, Self.element(9, 1, 1)])
    }
}
