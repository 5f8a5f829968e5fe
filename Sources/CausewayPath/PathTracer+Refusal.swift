import CausewayKernel
import CausewayModel

extension PathTracer {
    /// Walks the ICMP error with which a packet was refused, to the one who sent that; `nil` when there is no such error,
    /// or when its way is not known here.
    func refusal(of asked: Packet, _ walk: Walk, _ verdict: Verdict) -> Trace.Leg? {
        let family = walk.packet.family
        // What is refused on its way out of the sender's own stack is told by the system call.
        guard verdict.outcome == .refused, let answer = verdict.answer, let error = ICMPError(answer: answer, family),
            walk.carried == nil, walk.balanced.isEmpty, walk.hops.contains(where: { $0.stage.kind == .deviceIn })
        else { return nil }
        let at = walk.present
        var packet = Packet(
            family == .ip ? .icmp : .icmpv6, from: source(at, of: walk.packet), 0, to: walk.packet.source, 0)
        (packet.icmpType, packet.icmpCode) = (error.type, error.code)
        var back = walk.returning(packet, to: asked)
        back.quoted = walk.packet.tuple
        // The kernel hands the refused packet's connection on (`nf_ct_attach`), even one that never was confirmed.
        if let (index, direction) = walk.tracked {
            back.tracked = (index, direction == .original ? .reply : .original)
            back.isRelated = true
        }
        if reflectsMark(at, family) { back.packet.mark = walk.packet.mark }
        back.add(at, Stage(.socket, "kernel"), "sends \(answer)")
        let end = back.run(from: .output(at))
        let first = back.hops.first { $0.stage.kind == .route }?.before ?? back.hops[0].before
        return Trace.Leg(packet: first, hops: back.hops, verdict: end)
    }

    /// The refused address where it is the host's own, else what the route back takes (`__icmp_send`).
    private func source(_ at: Int, of packet: Packet) -> IPAddress {
        world.holds(at, packet.destination) ? packet.destination : Walk.unspecified(packet.family)
    }

    /// What is to be said of a refusal that does not arrive.
    static func remark(on refusal: Trace.Leg) -> String? {
        guard [.dropped, .refused].contains(refusal.verdict.outcome) else { return nil }
        let end = refusal.verdict
        return
            "the sender is not told, and waits: the refusal itself is \(end.outcome.rawValue) in \(end.place.heading), "
            + end.text
    }
}
