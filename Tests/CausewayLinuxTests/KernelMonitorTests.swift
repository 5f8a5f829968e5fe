import CausewayKernel
import CausewayLinux
import CausewayTestKit
import Testing

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"), .timeLimit(.minutes(1)))
struct `Kernel monitor` {
    @Test(arguments: [
        "ip link add name d1 type bridge", "ip address add 192.0.2.1/32 dev lo", "ip route add 192.0.2.0/24 dev lo",
        "nft add table inet x", "ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:01 dev other",
    ])
    func `a change is a wakeup`(change: String) async throws {
        let there = try await TestNamespace("linux-mon")
        try await there.shell("ip link add other type bridge; ip link set other up")
        var wakeups = try await KernelMonitor.wakeups(there.namespace).makeAsyncIterator()

        try await there.shell(change)

        #expect(await wakeups.next() != nil)  // or the time limit
    }

    @Test func `many changes are few wakeups, and cancellation ends the stream`() async throws {
        let there = try await TestNamespace("linux-mon")
        let stream = try await KernelMonitor.wakeups(there.namespace)
        let counting = Task { await stream.reduce(into: 0) { count, _ in count += 1 } }
        try await there.shell("for i in $(seq 200); do echo address add 192.0.2.$i/32 dev lo; done | ip -batch -")

        try await Task.sleep(for: .milliseconds(200))
        counting.cancel()

        let count = await counting.value
        #expect(count >= 1)
        #expect(count < 400)
    }
}
