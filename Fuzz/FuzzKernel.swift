import CausewayKernel
import CausewayModel

@testable import CausewayLinux

extension FuzzTarget {
    /// What a netlink socket received: every message read as each kind that we know.
    static let netlink = FuzzTarget(name: "netlink") { bytes in
        guard let messages = try? NetlinkMessage.split(bytes) else { return }
        promise(messages.count <= bytes.count / 16, "\(messages.count) messages in \(bytes.count) bytes")
        for message in messages {
            _ = try? message.status()
            _ = try? LinkMessage(message)
            _ = try? AddressMessage(message)
            _ = try? NeighborMessage(message)
            _ = (try? RouteMessage(message))??.routes(names: [1: "lo", 2: "eth0"])
            _ = try? RuleMessage.rule(message)
            _ = try? Conntrack.entry(message)
            _ = try? SocketDiagnostics.socket(message, .tcp)
        }
    }

    /// What `nft -j list` prints, of anybody's tables: read, normalised, and written as commands.
    static let nftables = FuzzTarget(name: "nftables") { bytes in
        guard let tables = try? Nft.Table.read(json: bytes) else { return }
        for table in tables {
            promise(table.normalised.normalised == table.normalised, "a normal form is not normal: \(table)")
        }
    }

    /// What `iptables-save` prints.
    static let iptables = FuzzTarget(name: "iptables") { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        for family in IPFamily.allCases { _ = IPTables.Table.read(save: text, family: family) }
    }
}
