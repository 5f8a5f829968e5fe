import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayAgent

/// What the labels of published ports become in the table.
@Suite struct ScopeTests {
    private func table(_ scope: PortScope?) throws -> Nft.Table {
        var assignment = Shop.assignment()
        let index = try #require(assignment.services.firstIndex { !$0.ports.isEmpty })
        let port = try #require(assignment.services[index].ports.first)
        if let scope {
            assignment.services[index].scopes[TransportPort(port.protocol, port.publishedPort!)] = scope
        }
        return try #require(AssignmentCompiler().compile(assignment, facts: NodeFacts()).host.tables.first)
    }

    private func keys(_ name: String, _ table: Nft.Table) -> [String]? {
        table.sets.first { $0.name == name }?.elements.map { $0.key.map(\.text).joined(separator: " . ") }
    }

    @Test func `a port without a scope is in none of the sets`() throws {
        let table = try table(nil)

        for name in ["scoped", "bound", "restricted", "from_host", "bind_links", "binds4", "binds6", "from4", "from6"] {
            #expect(keys(name, table) == [], "\(name)")
        }
    }

    @Test func `an address and a link bind a port; any address is a prefix without length`() throws {
        let table = try table(
            PortScope(
                addresses: [IPAddress("192.0.2.1")!, IPAddress("::")!, IPAddress("2001:db8::1")!],
                interfaces: ["wg0"]))

        #expect(keys("scoped", table) == ["tcp . 8080"])
        #expect(keys("bound", table)?.count == 1)
        #expect(keys("restricted", table) == [])
        #expect(keys("binds4", table)?.map { $0.suffix(12) } == [" . 192.0.2.1"])
        #expect(keys("binds6", table)?.map { $0.suffix(7) } == [" . ::/0"])
        #expect(keys("bind_links", table)?.first?.contains("wg0") == true)
    }

    @Test func `sources that lie within others are left out: the kernel refuses intervals that overlap`() throws {
        let sources = ["10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8", "192.0.2.7/32", "127.0.0.1/32"].map { CIDR($0)! }
        let table = try table(PortScope(sources: sources))

        #expect(
            keys("from4", table)?.compactMap { $0.split(separator: " ").last.map(String.init) } == [
                "127.0.0.1", "192.0.2.7", "10.0.0.0/8",
            ])
        #expect(keys("from6", table) == [])
        #expect(keys("from_host", table)?.count == 1)
        #expect(keys("bound", table) == [])
    }

    @Test func `a port that is held knows where it is offered`() throws {
        var assignment = Shop.assignment()
        let index = try #require(assignment.services.firstIndex { !$0.ports.isEmpty })
        let scope = PortScope(addresses: [IPAddress("192.0.2.1")!])
        assignment.services[index].scopes[TransportPort(.tcp, 8080)] = scope

        let held = AssignmentCompiler().compile(assignment, facts: NodeFacts()).publishedPorts
        #expect(held.map(\.scope) == [scope])
    }
}
