import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import Foundation

/// One watch over a filter's namespaces: from the making of the tables until they are gone again.
package final class TraceSession: Sendable {
    package let log = SightingLog()
    /// What could not be watched, in words.
    package let gaps: [String]
    /// Whether devices are watched, in one way or the other.
    package let seesDevices: Bool
    /// Whether the kernel tells why it gives packets up.
    package let seesReasons: Bool
    private let namespaces: LiveNamespaces
    private let tables: TraceTables
    private let listener: ChainListener
    private let captures: Captures?
    private let probes: DeviceProbes?

    /// How the devices are watched.
    package enum Eyes: String, Sendable { case best, captures, none }

    package init(
        _ filter: TraceFilter, in namespaces: LiveNamespaces, eyes: Eyes = .best
    ) async throws(KernelError) {
        self.namespaces = namespaces
        let log = log
        listener = try await ChainListener(namespaces, into: log)
        var gaps: [String] = []
        var probes: DeviceProbes?
        if eyes == .best {
            do throws(KernelError) {
                probes = try DeviceProbes(filter, into: log)
            } catch {
                gaps.append("no eBPF, so the kernel's reasons for drops are not seen: \(error)")
            }
        }
        var captures: Captures?
        if probes == nil, eyes != .none {
            do throws(KernelError) {
                captures = try await Captures(filter, in: namespaces, into: log)
            } catch {
                gaps.append("devices are not seen: \(error)")
            }
        }
        (self.probes, self.captures) = (probes, captures)
        seesDevices = probes != nil || captures != nil
        seesReasons = probes != nil
        // Last: from now on packets are marked.
        tables = try await TraceTables(filter, in: namespaces)
        let missing = Set(filter.patterns.keys).subtracting(namespaces.all.map(\.inode))
        if !missing.isEmpty {
            gaps.append("\(missing.count) namespaces on the way were not found on this machine any more")
        }
        if !filter.elsewhere.isEmpty {
            gaps.append(
                "other machines cannot be looked into from here: \(filter.elsewhere.sorted().joined(separator: ", "));"
                    + " run causeway trace there at the same time")
        }
        self.gaps = gaps
    }

    /// The numbers of all rules, in the form that sightings are read with.
    package func ruleHandles() async throws(KernelError) -> RuleHandles {
        var all = RuleHandles()
        for (inode, rules) in try await namespaces.ruleHandles() {
            for (chain, handle) in rules {
                let key = RuleHandles.Chain(
                    namespace: inode, family: chain.table.family, table: chain.table.name, name: chain.name)
                all.handles[key, default: []].append(handle)
            }
        }
        return all
    }

    /// Waits until nothing has been seen for a while.
    package func settle(_ quiet: Duration = .milliseconds(150), atMost: Duration = .seconds(2)) async {
        let end = ContinuousClock.now + atMost
        var (count, since) = (log.count, ContinuousClock.now)
        while ContinuousClock.now < end, ContinuousClock.now - since < quiet {
            try? await Task.sleep(for: .milliseconds(20))
            if log.count != count { (count, since) = (log.count, ContinuousClock.now) }
        }
    }

    /// All that was seen, after the end.
    package var sightings: [Sighting] { KernelSymbols.named(log.sightings) }

    package func stop() {
        listener.stop()
        captures?.stop()
        probes?.stop()
    }

    deinit { stop() }
}
