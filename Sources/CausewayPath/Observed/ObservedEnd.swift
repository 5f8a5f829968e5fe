import CausewayKernel
import CausewayModel

/// How a journey ended, as far as that was seen.
struct ObservedEnd {
    let world: World
    let built: LegBuilder
    let journey: Journey
    /// The first packet that answered this one, if one was seen.
    let answer: SeenPacket?
    let isAnswer: Bool
    let seesDevices: Bool

    var verdict: Verdict {
        let at = built.lastPosition ?? 0
        let place = world.place(at)
        if let (run, entry) = built.end { return ended(run, entry) }
        if let (sighting, position) = built.loss, case .dropped(let reason, let function) = sighting.event {
            // A raw socket takes a copy of an echo's answer; the packet itself is nobody's.
            if reason == DropReason.noSocket.rawValue, case .echo(_, _, true) = journey.first.identity {
                return taken(world.place(position))
            }
            return lost(reason, function, position)
        }
        guard let last = journey.runs.last else {
            var verdict = Verdict(.dropped, place, "seen at devices only: no chain of nftables saw it")
            verdict.uncertain = ["what became of it is not seen"]
            return verdict
        }
        switch last.ours?.hook {
        case .input: return taken(place)
        case .postrouting: return sent(last, place)
        default:
            let hook = last.ours.map { "\($0.hook.rawValue)" } ?? last.base.chain
            var verdict = Verdict(.dropped, place, "vanished after \(hook) in \(place.heading)")
            verdict.uncertain = ["the kernel's reason was not seen"]
            return verdict
        }
    }

    private func ended(_ run: SeenRun, _ entry: RuleBook.Entry?) -> Verdict {
        let place = world.place(run.position)
        let hop = built.hops.last { $0.stage.kind == .chain && $0.place == place }
        let table = hop?.stage.table ?? "\(run.base.family.rawValue) \(run.base.table)"
        guard run.last.kind != .policy else {
            return Verdict(
                .dropped, place, "by the policy of \(table), chain \(run.base.chain)", reason: .netfilter)
        }
        let rule = entry.map { ": " + ($0.rule.comment.map { "\"\($0)\" " } ?? "") + $0.rule.text } ?? ""
        let whose = "by \(table), chain \(run.last.chain)\(rule)"
        if let answer = entry?.answer {
            return Verdict(.refused, place, whose, reason: .netfilter, answer: answer)
        }
        return Verdict(.dropped, place, whose, reason: .netfilter)
    }

    /// What the kernel calls it; a reason that is told in words as well where the walk has some.
    private func lost(_ reason: String, _ function: String?, _ position: Int) -> Verdict {
        let place = world.place(position)
        let known = DropReason(rawValue: reason)
        let function = function.map { " in \($0)" } ?? ""
        let packet = journey.first.packet
        // Then the kernel itself answers, but for a reset: nothing answers that (RFC 9293, 3.10.7.1).
        let isRefused = known == .noSocket && !packet.flags.contains(.rst)
        var verdict = Verdict(
            isRefused ? .refused : .dropped, place,
            known == nil ? "given up by the kernel\(function): \(reason)" : "given up by the kernel\(function)",
            reason: known)
        guard isRefused else { return verdict }
        verdict.answer =
            packet.transport == .tcp
            ? "tcp reset" : packet.family == .ip ? "icmp port-unreachable" : "icmpv6 port-unreachable"
        return verdict
    }

    private func taken(_ place: Place) -> Verdict {
        if isAnswer { return Verdict(.delivered, place, "the one who asked has the answer") }
        guard let answer else {
            var verdict = Verdict(.delivered, place, "handed to the sockets of \(place.heading)")
            if journey.first.packet.transport != .udp { verdict.uncertain = ["no answer was seen"] }
            return verdict
        }
        guard answer.packet.transport == .tcp, answer.packet.flags.contains(.rst) else {
            return Verdict(.delivered, place, "\(place.heading) answered")
        }
        return Verdict(
            .refused, place, "nothing listens on \(built.hops.last?.packet.destinationText ?? "")", reason: .noSocket,
            answer: "tcp reset")
    }

    private func sent(_ last: SeenRun, _ place: Place) -> Verdict {
        // Where no chain was watched it went on, and was taken.
        if answer != nil { return taken(world.place(built.lastPosition ?? last.position)) }
        let link = last.outgoing.flatMap { world.link(last.position, index: $0) }
        let name = link?.link.name ?? "a link"
        let wasGiven = journey.devices.contains {
            $0.namespace == last.namespace && $0.event == .sent(link: last.outgoing ?? 0)
        }
        if seesDevices, !wasGiven {
            var verdict = Verdict(.dropped, place, "not given to \(name), by which it was to leave")
            verdict.uncertain = ["nobody may have answered for the next hop: the kernel asks for three seconds"]
            return verdict
        }
        if let link, world.peer(of: link, in: last.position) != nil {
            var verdict = Verdict(.dropped, place, "went into \(name) and was not seen again")
            verdict.uncertain = ["the kernel's reason was not seen"]
            return verdict
        }
        return Verdict(.sent, place, "leaves \(name) as \(last.packet.packet.header)")
    }
}
