import CausewayKernel
import CausewayModel

/// Several hosts' inventories as one, with namespaces that have numbers of their own.
///
/// Each kernel numbers its namespaces for itself, so that two hosts' numbers may be equal; inventories of one kernel
/// (a lab's virtual hosts) tell of the same namespaces, and each namespace is taken once.
struct InventoryJoin: Sendable {
    private(set) var inventory: Inventory
    /// Where each host's own namespace stands, in the order of the inventories.
    private(set) var hosts: [Host] = []
    /// By namespace: the host whose inventory it is from.
    private(set) var homes: [Int] = []
    /// By namespace: its number in its own kernel, and which boot of a kernel that is.
    private(set) var origins: [Origin] = []
    /// By inventory: whether forwarding entries were read.
    ///
    /// Releases that do so say which kernel it was.
    let readForwarding: [Bool]
    /// What the engines say, of those hosts where one answered.
    let engines: [EngineState]

    struct Host: Hashable, Sendable {
        let position: Int
        let name: String
    }

    struct Origin: Hashable, Sendable {
        let inode: UInt64
        /// `nil` where the inventory does not say.
        let machine: String?
    }

    private struct Key: Hashable {
        let machine: String
        let inode: UInt64
    }

    private var positions: [Key: Int] = [:]

    init(_ inventories: [Inventory]) {
        readForwarding = inventories.map { $0.machine != nil || $0.schema > 1 }
        engines = inventories.compactMap(\.engine)
        guard inventories.count > 1, var joined = inventories.first else {
            inventory =
                inventories.first ?? Inventory(hostname: "", takenAt: Timestamp(seconds: 0), namespaces: [])
            hosts = inventory.namespaces.isEmpty ? [] : [Host(position: 0, name: inventory.hostname)]
            homes = inventory.namespaces.map { _ in 0 }
            origins = inventory.namespaces.map { Origin(inode: $0.inode, machine: inventories.first?.machine) }
            return
        }
        joined.namespaces = []
        joined.owners = []
        joined.gaps = []
        inventory = joined
        let machines = inventories.enumerated().map { $1.machine ?? "inventory \($0)" }
        for (number, one) in inventories.enumerated() { collect(one, machines[number], number) }
        for (number, one) in inventories.enumerated() { nameHost(one, machines[number]) }
        renumber(inventories, machines)
    }

    /// A host's own namespace is read best by that host; a name says more than a number.
    private mutating func collect(_ one: Inventory, _ machine: String, _ number: Int) {
        for (offset, space) in one.namespaces.enumerated() {
            let key = Key(machine: machine, inode: space.inode)
            guard let known = positions[key] else {
                positions[key] = inventory.namespaces.count
                inventory.namespaces.append(space)
                homes.append(number)
                origins.append(Origin(inode: space.inode, machine: one.machine))
                continue
            }
            let isBetter = inventory.namespaces[known].name.hasPrefix("net:[") && !space.name.hasPrefix("net:[")
            if offset == 0 || isBetter { inventory.namespaces[known] = space }
        }
        inventory.gaps += one.gaps.map { "\(one.hostname): \($0)" }
    }

    private mutating func nameHost(_ one: Inventory, _ machine: String) {
        guard let space = one.namespaces.first,
            let position = positions[Key(machine: machine, inode: space.inode)],
            !hosts.contains(where: { $0.position == position })
        else { return }
        inventory.namespaces[position] = space
        hosts.append(Host(position: position, name: one.hostname))
    }

    private mutating func renumber(_ inventories: [Inventory], _ machines: [String]) {
        // 0 is nobody's: what a link's other end has that no inventory tells of.
        func number(_ inode: UInt64, _ machine: String) -> UInt64 {
            positions[Key(machine: machine, inode: inode)].map { UInt64($0) + 1 } ?? 0
        }
        for position in inventory.namespaces.indices {
            let machine = machines[homes[position]]
            let space = inventory.namespaces[position]
            inventory.namespaces[position].inode = UInt64(position) + 1
            for (offset, link) in space.links.enumerated() {
                inventory.namespaces[position].links[offset].peerNamespace = link.peerNamespace.map {
                    number($0, machine)
                }
                if let underlay = link.tunnel?.underlay {
                    inventory.namespaces[position].links[offset].tunnel?.underlay = number(underlay, machine)
                }
            }
        }
        var seen: Set<UInt64> = []
        for (one, machine) in zip(inventories, machines) {
            for var owner in one.owners {
                owner.namespaceInode = number(owner.namespaceInode, machine)
                if seen.insert(owner.namespaceInode).inserted { inventory.owners.append(owner) }
            }
        }
    }
}
