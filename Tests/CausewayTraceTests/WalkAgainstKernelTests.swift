import CausewayKernel
import CausewayModel
import CausewayPath
import CausewayTestKit
import CausewayTrace
import Foundation
import Testing

/// The walk against the kernel: rules by chance, real packets, every chain and rule compared.
@Suite(.serialized, .enabled(if: TestNamespace.isAllowed, Comment(rawValue: TestNamespace.whyNot)))
struct WalkAgainstKernelTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let isFull = environment["CAUSEWAY_FULL"] != nil
    /// Rulesets, and as many packets for each.
    private static let cases = environment["CAUSEWAY_CASES"].flatMap { Int($0) } ?? (isFull ? 1_000 : 25)
    private static let packets = isFull ? 1 : 2

    @Test func `rules, verdicts and translations of generated rules equal the walk's`() async throws {
        let seed = Self.environment["CAUSEWAY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1 << 32)
        let bed = try await Bed()
        let servers = try await bed.serve([80, 443])
        var report = Report()
        for number in 0..<Self.cases {
            let own = seed &+ UInt64(number)
            try await run(own, bed, &report)
        }
        withExtendedLifetime(servers) {}
        print(
            "seed \(seed): \(report.packets) packets through \(Self.cases) rulesets, ends \(report.ends), "
                + "errors told \(report.told), lost \(report.untold), repeated \(report.repeated)")
        if let first = report.refused.first { print("\(report.refused.count) rulesets were refused, first \(first)") }
        #expect(report.refused.count * 10 <= Self.cases, "too many rulesets were refused")
        for line in report.differences.prefix(20) { print(line) }
        #expect(report.differences.count == 0, "seed \(seed): packets that differ are printed above")
        #expect(report.repeated * 50 <= report.packets, "\(report.repeated) packets were not seen whole")
        #expect(report.unseen == 0, "\(report.unseen) packets were not seen at all")
        #expect(report.ends.count >= 2, "the cases are too alike: \(report.ends)")
    }

    struct Report {
        var packets = 0
        var unseen = 0
        /// Packets that were sent once more, because not all of their way was seen.
        var repeated = 0
        var refused: [String] = []
        var ends: [String: Int] = [:]
        /// ICMP errors that reached the sender, and that did not.
        var (told, untold) = (0, 0)
        var differences: [String] = []
    }

    /// One ruleset, with a few packets.
    private func run(_ seed: UInt64, _ bed: Bed, _ report: inout Report) async throws {
        let rules = GeneratedRules(seed: seed)
        var chance = SeededGenerator(seed: seed ^ 0xffff)
        do { try await bed.rules("router", nft: rules.nft, iptables: rules.iptables) } catch {
            // What nft or the kernel does not take is no ruleset.
            report.refused.append("\(seed): \(error)")
            return
        }
        try await bed.shell("router", rules.routes)
        for _ in 0..<Self.packets {
            let transport = [Packet.Transport.tcp, .tcp, .udp, .icmp].randomElement(using: &chance) ?? .tcp
            let target = ["10.2.1.2", "10.2.2.2", "10.9.9.9", "10.1.1.1"].randomElement(using: &chance) ?? ""
            let port = GeneratedRules.ports.randomElement(using: &chance) ?? 80
            func send() async throws -> TraceRun.Result {
                try await bed.trace(transport, to: target, transport.hasPorts ? port : 0, patience: .milliseconds(60))
            }
            var result = try await send()
            // A message of the kernel's that came too late on a busy machine, which the trace itself says.
            if let seen = result.observations.first, !seen.comparison.agrees, !seen.observed.isCertain {
                result = try await send()
                report.repeated += 1
            }
            report.packets += 1
            guard let seen = result.observations.first else {
                report.unseen += 1
                continue
            }
            report.ends[seen.observed.verdict.outcome.rawValue, default: 0] += 1
            guard seen.predicted.isCertain else { continue }
            let error = transport == .udp ? Self.error(seen.predicted, result.outcomes.first?.text) : nil
            report.told += error?.isTold == true ? 1 : 0
            report.untold += error?.isTold == false ? 1 : 0
            guard !seen.comparison.agrees || error?.isAsPredicted == false else { continue }
            let drawing = ObservationRenderer().render(seen, number: 1, of: 1)
            let heard = error.map { $0.isTold ? "the sender was told\n" : "the sender was not told\n" } ?? ""
            let refusal = seen.predicted.refusal.map { "\($0.hops.map(\.action))\n\($0.verdict)\n" } ?? ""
            report.differences.append(
                "CAUSEWAY_SEED=\(seed) CAUSEWAY_CASES=1: \(transport) to \(target):\(port)\n\(drawing)\(heard)\(refusal)"
                    + "\(rules.iptables)\n\(rules.nft)\n\(rules.routes)")
        }
    }

    /// Whether a datagram's sender was told that it was refused, where the walk says by which way.
    private static func error(_ predicted: Trace, _ heard: String?) -> (isTold: Bool, isAsPredicted: Bool)? {
        guard let refusal = predicted.refusal, let heard else { return nil }
        let isTold = heard == "Connection refused"
        return (isTold, isTold == (refusal.verdict.outcome == .delivered))
    }
}
