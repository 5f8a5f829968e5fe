import CausewayModel
import Logging

/// Something that has changed on the way to a peer, for the log.
package struct PeerNews: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// One that was never heard may just not have come yet.
        case lost(wasKnown: Bool)
        case returned(after: Duration)
        /// The largest packet that arrives, and what the tunnel's link takes.
        case mtu(UInt32, link: UInt32)
        case checksum(ChecksumTrial.Verdict)
    }

    package var peer: Peer
    package var kind: Kind

    /// At warning and above something is wrong with the network between the nodes.
    package var level: Logger.Level {
        switch kind {
        case .lost(let wasKnown): wasKnown ? .warning : .notice
        case .returned: .notice
        case .mtu(let mtu, let link): mtu < link ? .warning : .info
        case .checksum(let verdict): verdict == .fine || verdict == .unknown ? .info : .warning
        }
    }

    package var description: String {
        switch kind {
        case .lost(let wasKnown):
            "\(peer.hostname) does not answer through the tunnel (\(peer.dataAddress))\(wasKnown ? "" : " yet"); "
                + "new connections avoid it"
        case .returned(let time): "\(peer.hostname) answers through the tunnel, after \(time) of silence"
        case .mtu(let mtu, let link) where mtu < link: "tunnel to \(peer.hostname): \(Self.smallPath(mtu, link: link))"
        case .mtu(let mtu, _): "tunnel to \(peer.hostname): packets of \(mtu) bytes arrive, as large as its link takes"
        case .checksum(let verdict): "tunnel to \(peer.hostname): \(Self.words(for: verdict) ?? Self.fine)"
        }
    }

    private static let fine = "TCP checksums left to the hardware arrive"

    static func smallPath(_ mtu: UInt32, link: UInt32) -> String {
        "packets above \(mtu) bytes do not arrive although \(Tunnel.linkName) takes \(link); packets to it are kept to that"
    }

    /// What is wrong, and what was done; `nil` when nothing is.
    static func words(for verdict: ChecksumTrial.Verdict) -> String? {
        switch verdict {
        case .unknown, .fine: nil
        case .failing:
            "pings are answered and TCP is not; trying with checksum offload of \(Tunnel.linkName) switched off"
        case .needsOwn:
            "TCP checksums left to the hardware do not arrive; "
                + "checksum offload of \(Tunnel.linkName) switched off"
        case .mute:
            "pings are answered and TCP to the tunnel address is not, whoever computes the checksums; "
                + "see whether a firewall there drops it"
        }
    }
}
