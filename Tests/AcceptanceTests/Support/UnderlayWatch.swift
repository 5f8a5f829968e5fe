import Foundation

/// Counts packets where they pass between hosts of the lab: an observer that is not the product.
///
/// Its rules are in the underlay's bridge, where what goes from node to node passes with its outer addresses.
struct UnderlayWatch: Sendable {
    private static let table = "test-watch"

    /// Counts what matches each rule of nft, by name; `pass` sees every frame that comes into the bridge.
    init(_ rules: [String: String]) async throws {
        try await Self.remove()
        let counted = rules.sorted { $0.key < $1.key }
            .map {
                "add counter bridge \(Self.table) \($0.key)\nadd rule bridge \(Self.table) pass \($0.value) counter name \($0.key)\n"
            }
        var command = Command(lab.underlay.wrap(["nft", "--file", "-"]))
        command.input = """
            add table bridge \(Self.table)
            add chain bridge \(Self.table) pass { type filter hook prerouting priority -350; }
            \(counted.joined())
            """
        try await command.run()
    }

    /// How many packets matched, by name.
    func counts() async throws -> [String: Int] {
        let words = ["nft", "--json", "list", "counters", "table", "bridge", Self.table]
        struct Listing: Decodable {
            struct Item: Decodable { var counter: Counter? }
            struct Counter: Decodable {
                var name: String
                var packets: Int
            }
            var nftables: [Item]
        }
        let said = try await Command(lab.underlay.wrap(words)).run()
        let items = try JSONDecoder().decode(Listing.self, from: Data(said.out.utf8)).nftables.compactMap(\.counter)
        return Dictionary(items.map { ($0.name, $0.packets) }, uniquingKeysWith: +)
    }

    func end() async throws { try await Self.remove() }

    private static func remove() async throws {
        _ = try await Command(lab.underlay.wrap(["nft", "delete", "table", "bridge", table])).attempt()
    }
}
