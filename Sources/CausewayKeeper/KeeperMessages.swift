import CausewayModel

/// What is said on a keeper's socket: a request, its reply, each as JSON behind its length (four bytes, big-endian).
///
/// The two sides may be one release apart: fields that one does not know it ignores, and a request of which it knows no
/// field it refuses by name.
package enum KeeperProtocol {
    package static let version = 1
    /// The size of a message above which the other side has lost its way.
    package static let longestMessage = 256 << 20
}

package struct KeeperRequest: Codable, Sendable {
    package struct Hello: Codable, Sendable {
        package var version: Int
        package var release: String
    }

    /// Replace yourself by another program, in place.
    package struct Upgrade: Codable, Sendable {
        package var path: String
    }

    package struct Nothing: Codable, Sendable {}

    package var hello: Hello?
    package var keep: KeeperChange?
    package var counters: Nothing?
    package var upgrade: Upgrade?

    package init(
        hello: Hello? = nil, keep: KeeperChange? = nil, counters: Nothing? = nil, upgrade: Upgrade? = nil
    ) {
        self.hello = hello
        self.keep = keep
        self.counters = counters
        self.upgrade = upgrade
    }
}

package struct KeeperReply: Codable, Sendable {
    package struct Hello: Codable, Hashable, Sendable {
        package var version: Int
        package var release: String
        package var processID: Int32
        /// Of the program's file: device and inode.
        package var executable: FileIdentity?
    }

    package var hello: Hello?
    package var kept: KeeperRefusals?
    package var counters: KeeperCounters?
    /// Why the request was not carried out.
    package var error: String?

    package init(
        hello: Hello? = nil, kept: KeeperRefusals? = nil, counters: KeeperCounters? = nil, error: String? = nil
    ) {
        self.hello = hello
        self.kept = kept
        self.counters = counters
        self.error = error
    }
}

/// From what a keeper has to what it shall have.
package struct KeeperChange: Codable, Sendable {
    /// Everything that is not named here is let go; what is kept already stays open.
    ///
    /// A keeper closes nothing before it has heard this once.
    package var isWhole = false
    /// Tables that the resolvers below refer to, by number.
    package var tables: [Table] = []
    package var resolvers: [Resolver] = []
    package var goneResolvers: [Swarm.ID] = []
    package var ports: [Kept.Port] = []
    package var gonePorts: [Kept.Port] = []
    /// With nothing to keep, the keeper may end.
    package var mayEnd = false

    package struct Resolver: Codable, Sendable {
        package var task: Swarm.ID
        package var namespacePath: String
        package var table: Int
    }

    /// A table, as what differs from an earlier one of this connection; without one, from an empty table.
    package struct Table: Codable, Sendable {
        package var number: Int
        package var base: Int?
        package var names: [String: NameTable.Entry]
        package var goneNames: [String]
        package var reverse: [IPAddress: String]
        package var goneReverse: [IPAddress]
        package var ownSubnets: [CIDR]
        package var upstreams: [IPAddress]

        package init(number: Int, from old: (number: Int, table: NameTable)?, to new: NameTable) {
            let empty = NameTable()
            let before = old?.table ?? empty
            self.number = number
            base = old?.number
            names = new.names.filter { before.names[$0.key] != $0.value }
            goneNames = before.names.keys.filter { new.names[$0] == nil }.sorted()
            reverse = new.reverse.filter { before.reverse[$0.key] != $0.value }
            goneReverse = before.reverse.keys.filter { new.reverse[$0] == nil }.sorted()
            ownSubnets = new.ownSubnets
            upstreams = new.upstreams
        }

        package func applied(to base: NameTable) -> NameTable {
            var table = base
            for name in goneNames { table.names[name] = nil }
            for address in goneReverse { table.reverse[address] = nil }
            table.names.merge(names) { $1 }
            table.reverse.merge(reverse) { $1 }
            table.ownSubnets = ownSubnets
            table.upstreams = upstreams
            return table
        }
    }
}

/// Which file a program was started from.
package struct FileIdentity: Codable, Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

extension KeeperChange {
    /// A field that the other side's release does not have is as if nothing of it had changed.
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        isWhole = try fields.decodeIfPresent(Bool.self, forKey: .isWhole) ?? false
        tables = try fields.decodeIfPresent([Table].self, forKey: .tables) ?? []
        resolvers = try fields.decodeIfPresent([Resolver].self, forKey: .resolvers) ?? []
        goneResolvers = try fields.decodeIfPresent([Swarm.ID].self, forKey: .goneResolvers) ?? []
        ports = try fields.decodeIfPresent([Kept.Port].self, forKey: .ports) ?? []
        gonePorts = try fields.decodeIfPresent([Kept.Port].self, forKey: .gonePorts) ?? []
        mayEnd = try fields.decodeIfPresent(Bool.self, forKey: .mayEnd) ?? false
    }
}
