import CausewayKernel
import CausewayLinux
import CausewayTestKit
import Foundation
import Testing

/// A live cluster of classic networks.
@Suite(
    .serialized, .enabled(if: VirtualMachine.isHere, Comment(rawValue: VirtualMachine.whyNot)),
    .timeLimit(.minutes(60)))
struct VirtualMachineClassicLifeTests {
    static var clients: Steady {
        Steady(addresses: ["n1", "n2"].map(LabCluster.address), new: 10, long: 6, timeout: .seconds(20))
    }

    @Test func `a service moves from a classic network to a direct one, and no request fails`() async throws {
        try await LiveClassic.withWeb(networks: ["old", "new"]) { asker in
            let namespace = NetworkNamespace(path: "/proc/\(asker.process)/ns/net")
            var clients: Steady.Result?
            let calls = try await NamedCalls.during(LiveClassic.web, in: namespace) {
                clients = try await Self.clients.during(at: lab.place("client")) {
                    try await LiveClassic.update("--network-add", "new", "--network-rm", "old")
                }
            }
            let published = try #require(clients)
            print("a move: published: \(published); by name: \(calls)")
            #expect(published.new.failures == 0 && published.new.answered > 0, "\(published)")
            #expect(published.long.failures == 0 && published.long.ended > 0, "\(published)")
            #expect(calls.failures.isEmpty, "\(calls)")
            // First the virtual address of one network, then that of the other.
            let direct = try await lab.virtualAddress(LiveClassic.web)
            #expect(calls.addresses.count == 2 && calls.addresses[direct] ?? 0 > 0, "\(calls), now \(direct)")
            let subnet = direct.prefix(through: try #require(direct.lastIndex(of: ".")))
            let left = calls.addresses.keys.filter { $0 != direct }
            for task in try await lab.places(LiveClassic.web) {
                let addresses = try await lab.addresses(of: task)
                #expect(addresses.contains { $0.hasPrefix(subnet) }, "\(addresses)")
            }
            let virtual = try await lab.manager("service", "inspect", "--format", "{{json .Endpoint}}", LiveClassic.web)
            #expect(!left.contains { virtual.out.contains("\"\($0)/") }, "\(left) is still given: \(virtual.out)")
            try await lab.plansBecomeEmpty()
        }
    }
}
