import CausewayKernel
import CausewayModel

extension Evidence {
    /// What ended a packet's way: the rule, or the last thing that it met.
    init(endOf leg: Trace.Leg) {
        let verdict = leg.verdict
        guard let hop = leg.hops.last else {
            self.init(.path, verdict.text, at: verdict.place)
            return
        }
        guard let table = hop.stage.table else {
            self.init(.path, "\(hop.stage.name): \(verdict.text)", at: verdict.place, owner: hop.owner)
            return
        }
        let rule = hop.rules.last
        let chain = rule?.chain ?? hop.stage.name
        let text = rule.map { "\($0.text)\($0.comment.map { " comment \"\($0)\"" } ?? "")" }
        let isPolicy = verdict.text.hasPrefix("by the policy")
        self.init(
            isPolicy ? .chain : .rule, "\(table) \(chain): \(isPolicy ? "policy DROP" : text ?? verdict.text)",
            at: verdict.place,
            owner: RuleOwner.of(table: table, chain: chain, rule: text ?? "") ?? hop.owner
                ?? (rule != nil && !isPolicy ? RuleOwner.unknown : nil))
    }
}

extension Ways.Way {
    /// What is wrong with it, in words: `8080/tcp of service web: dropped …`.
    var sentence: String {
        let part = candidate.map { ", candidate \($0)" + (chosen.map { " (\($0))" } ?? "") } ?? ""
        let back = trace.reply != nil && trace.outward.verdict.outcome == .delivered ? "the answer is " : ""
        let likely = isCertain ? "" : " (likely: a rule on the way is not understood)"
        return "\(what)\(part): \(back)\(badLeg.verdict.outcome.rawValue), \(badLeg.verdict.text)\(likely)"
    }

    private var chosen: String? {
        trace.candidates.first(where: \.isChosen).map { $0.owner ?? $0.target }
    }

    /// A hook of the host's at which a filter ended it: `forward`, `input`.
    var filterHook: String? {
        guard badLeg.verdict.reason == .netfilter, badLeg.verdict.place.kind == .host else { return nil }
        return badLeg.hops.last?.stage.hook
    }

    /// A task's own port that nobody listens on.
    var isClosedPort: Bool {
        badLeg.verdict.reason == .noSocket && badLeg.verdict.outcome == .refused
            && [.task, .container].contains(badLeg.verdict.place.kind)
    }

    /// The command that shows the whole way.
    func command(_ world: World) -> String {
        switch kind {
        case .published:
            let port = trace.outward.packet.destinationPort
            return "causeway path \(Packet.endpoint(trace.outward.packet.destination, port)) --return"
        case .virtual, .names, .outward:
            let packet = trace.outward.packet
            let target = Packet.endpoint(packet.destination, packet.destinationPort)
            let transport = packet.transport == .udp ? " --protocol udp" : ""
            return "causeway path \(target)\(transport) --from task:\(world.place(position).title) --return"
        }
    }
}
