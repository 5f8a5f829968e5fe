import CausewayKernel
import CausewayModel

/// An error of ICMP on its way back to the one whose packet it is about.
///
/// It carries the beginning of that packet, and by that, not by its own addresses, conntrack and the socket know it.
extension Walk {
    /// Finds the connection that the error is about (`nf_conntrack_inet_error`); conntrack begins none with it.
    mutating func relate(_ at: Int, _ quoted: Tuple) {
        let known = connections[at] ?? []
        if let index = known.firstIndex(where: { $0.reply == quoted.inverted }) {
            tracked = (index, .reply)
        } else if let index = known.firstIndex(where: { $0.original == quoted.inverted }) {
            tracked = (index, .original)
        } else {
            isInvalid = true
            return
        }
        isRelated = true
    }

    /// Turns the connection's translation round, in the error's own header and in the packet inside
    /// (`nf_nat_icmp_reply_translation`); nat chains are not asked.
    mutating func translateError(_ part: Connection.Manipulation, _ at: Int, _ hook: Nft.Chain.Base.Hook) {
        guard let tracked, let quoted, let connection = connections[at]?[tracked.index],
            connection.translates(part, of: tracked.direction)
        else { return }
        let inside = tracked.direction == .reply ? connection.original : connection.reply
        let before = packet
        var translated = quoted
        let text: String
        switch part {
        case .source:
            packet.source = inside.destination
            (translated.destination, translated.destinationPort) = (inside.destination, inside.destinationPort)
            text =
                "source \(packet.sourceText), and inside to \(Packet.endpoint(inside.destination, inside.destinationPort))"
        case .destination:
            packet.destination = inside.source
            (translated.source, translated.sourcePort) = (inside.source, inside.sourcePort)
            text =
                "destination \(packet.destinationText), and inside from \(Packet.endpoint(inside.source, inside.sourcePort))"
        }
        self.quoted = translated
        var stage = Stage(.conntrack, "conntrack")
        stage.hook = hook.rawValue
        add(at, stage, text, from: before)
    }

    /// The sender's kernel looks for the socket that sent what is inside.
    mutating func deliverError(_ at: Int, about quoted: Tuple) -> Outcome {
        guard let question, quoted == question.tuple else {
            let inside = Packet.endpoint(quoted.source, quoted.sourcePort)
            return drop(
                at, "the error is about a packet of \(inside), and no socket here has sent such a one", .noSocket)
        }
        add(at, Stage(.socket, "process"), "is told on \(question.sourceText)")
        return .end(Verdict(.delivered, world.place(at), "the socket that asked, \(question.sourceText), is told"))
    }
}
