import CausewayKernel
import CausewayModel

/// What the host's own firewall says of packets to the host, as if nothing of them were forwarded.
///
/// People write such rules (ufw, firewalld, INPUT) in the belief that they hold for every port of the host. What is
/// translated before routing never meets them.
struct FirewallView: Sendable {
    private let tracer: PathTracer
    private let inode: UInt64
    private(set) var disagreements: [Exposure.Disagreement] = []
    /// Without a firewall that refuses what nobody listens on, nothing is let in on purpose.
    private var refusesByDefault: [IPFamily: Bool] = [:]

    init(_ world: World) {
        var inventory = world.inventory
        inode = inventory.namespaces.first?.inode ?? 0
        if !inventory.namespaces.isEmpty {
            inventory.namespaces[0].sockets = []
            inventory.namespaces[0].tables = inventory.namespaces[0].tables
                .filter { $0.name != KernelState.tableName }.map(Self.withoutTranslation)
            inventory.namespaces[0].iptables.removeAll { $0.name == "nat" }
        }
        tracer = PathTracer(inventory)
    }

    private static func withoutTranslation(_ table: Nft.Table) -> Nft.Table {
        var table = table
        table.chains.removeAll { $0.base?.kind == .nat }
        return table
    }

    /// What the firewall says to a packet; `nil` when it lets it in.
    private func refusal(_ packet: Packet, _ link: String) -> String? {
        guard let trace = try? tracer.trace(packet, from: .link(namespace: inode, name: link)),
            trace.verdict.reason == .netfilter, trace.verdict.place.kind == .host
        else { return nil }
        return "\(trace.verdict.outcome.rawValue) \(trace.verdict.text)"
    }

    mutating func compare(_ survey: AddressSurvey) {
        guard survey.survey.world.holds(0, survey.address) else { return }
        for (packet, link, range, trace) in survey.reached {
            let isAway = trace.wayToPeer != nil
            guard isAway || trace.outward.verdict.place.kind != .host, let refusal = refusal(packet, link) else {
                continue
            }
            let target = isAway ? "another node" : trace.outward.verdict.place.title
            note(
                .refusedButReachable, survey, range, refusal,
                "reachable all the same: the packet is forwarded to \(target) and never meets the rules for the host")
        }
        for (packets, range, why) in survey.closed {
            guard refuses(survey), packets.contains(where: { refusal($0.0, $0.1) == nil }) else { continue }
            note(.allowedButClosed, survey, range, "lets it in, unlike other ports", "nothing is there: \(why)")
        }
    }

    /// Whether a port that no rule is likely to name is refused, from everywhere.
    private mutating func refuses(_ survey: AddressSurvey) -> Bool {
        if let known = refusesByDefault[survey.address.family] { return known }
        let ranges = (survey.survey.ports[survey.transport] ?? []).filter { $0.cell != nil }.map(\.range)
        guard let widest = ranges.max(by: { $0.count < $1.count }), !survey.clients.all.isEmpty else {
            return false
        }
        let answer = survey.clients.all.allSatisfy { client in
            let packet = Packet(
                survey.transport, from: client.address, 40_000, to: survey.address, widest.lowerBound)
            return refusal(packet, client.link) != nil
        }
        refusesByDefault[survey.address.family] = answer
        return answer
    }

    /// Joins what differs in the address alone.
    private mutating func note(
        _ kind: Exposure.Disagreement.Kind, _ survey: AddressSurvey, _ range: ClosedRange<UInt16>,
        _ firewall: String, _ reality: String
    ) {
        let same = disagreements.firstIndex {
            $0.kind == kind && $0.transport == survey.transport && $0.firstPort == range.lowerBound
                && $0.lastPort == range.upperBound
        }
        if let same {
            if !disagreements[same].addresses.contains(survey.address) {
                disagreements[same].addresses.append(survey.address)
            }
        } else {
            disagreements.append(
                Exposure.Disagreement(
                    kind: kind, transport: survey.transport, firstPort: range.lowerBound, lastPort: range.upperBound,
                    addresses: [survey.address], firewall: firewall, reality: reality))
        }
    }
}
