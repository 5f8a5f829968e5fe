import CausewayKernel
import CausewayModel
import CausewayTestKit
import Testing

@testable import CausewayLinux

@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Kernel preflight` {
    @Test func `a kernel that runs these tests lacks nothing essential, and is left as it was`() async throws {
        let other = try await TestNamespace("preflight")
        let before = try NetworkNamespace.names()
        let began = ContinuousClock.now

        let preflight = await Preflight.kernel()

        #expect(preflight.obstacles.isEmpty, "\(preflight.text)")
        #expect(preflight.results.count > 15)
        // Those of tests that have ended go at any time.
        let after = try NetworkNamespace.names()
        #expect(Set(after).subtracting(before).isEmpty && after.contains(other.name), "\(before), now \(after)")
        // Every start of the daemon waits for it: less than a second when nothing else runs.
        #expect(ContinuousClock.now - began < .seconds(5))
    }

    @Test func `what the kernel refuses is named in its own words`() throws {
        let trial = Trial("a table", disables: "services", remedy: "load a module") { () throws(KernelError) in
            try Nftables.run("add rule inet nowhere nothing accept\n", step: "add a rule")
        }
        let result = trial.result()

        #expect(result.missing?.contains("No such file or directory") == true, "\(result)")
        #expect(result.remedy == "load a module")
        #expect(result.description.contains("without it: services; load a module"))
    }
}
