import CausewayKernel
import CausewayModel

/// The inventories of one host, or of several, with the look-ups that a walk needs.
///
/// Namespaces are known by their position.
struct World: Sendable {
    let inventory: Inventory
    /// Where the hosts' own namespaces are.
    let hosts: [InventoryJoin.Host]
    /// The host that is asked.
    private(set) var home: Int
    /// By namespace: the host that it is on.
    private let homes: [Int]
    /// By namespace: what its own kernel calls it.
    let origins: [InventoryJoin.Origin]
    private let readForwarding: [Bool]
    private let positions: [UInt64: Int]
    private let owners: [UInt64: Inventory.Owner]
    private let holders: [IPAddress: [Int]]
    /// Every VXLAN link, with its namespace.
    let tunnels: [(position: Int, link: NamespaceState.Link)]
    /// What engines say.
    let engines: EngineDirectory
    /// Sets that were made ready for look-ups, once for all packets.
    let sets = CompiledSets()

    init(_ inventory: Inventory) { self.init(InventoryJoin([inventory]), home: 0) }

    /// `home` is the position of a host's own namespace.
    init(_ join: InventoryJoin, home: Int) {
        let inventory = join.inventory
        self.inventory = inventory
        self.home = home
        hosts = join.hosts
        readForwarding = join.readForwarding
        origins = join.origins
        positions = Dictionary(
            inventory.namespaces.enumerated().map { ($1.inode, $0) }, uniquingKeysWith: { first, _ in first })
        owners = Dictionary(
            inventory.owners.map { ($0.namespaceInode, $0) }, uniquingKeysWith: { first, _ in first })
        var holders: [IPAddress: [Int]] = [:]
        for (position, space) in inventory.namespaces.enumerated() {
            for address in space.addresses where !address.address.address.isLoopback {
                holders[address.address.address, default: []].append(position)
            }
        }
        self.holders = holders
        tunnels = inventory.namespaces.enumerated().flatMap { position, space in
            space.links.compactMap { if case .vxlan = $0.link.kind { (position, $0) } else { nil } }
        }
        engines = EngineDirectory(join.engines)
        homes = Self.homes(join, positions)
    }

    /// A namespace is on the host to which its links lead, else on the one whose inventory tells of it.
    private static func homes(_ join: InventoryJoin, _ positions: [UInt64: Int]) -> [Int] {
        let own = Dictionary(join.hosts.enumerated().map { ($1.position, $0) }) { first, _ in first }
        return join.inventory.namespaces.enumerated().map { position, space in
            if let host = own[position] { return host }
            let ends = space.links.compactMap { $0.peerNamespace.flatMap { positions[$0] } }
            return ends.lazy.compactMap { own[$0] }.first ?? join.homes[position]
        }
    }

    /// Inventories of earlier releases say nothing of forwarding entries.
    func knowsForwarding(_ position: Int) -> Bool {
        !self[position].forwarding.isEmpty || readForwarding[homes[position]]
    }

    /// Where the own namespace of a namespace's host stands.
    func host(of position: Int) -> Int { hosts[homes[position]].position }

    /// The same, with another host asked.
    func seen(from host: Int) -> World {
        var other = self
        other.home = host
        return other
    }

    /// Whether a namespace is a host's own.
    func isHost(_ position: Int) -> Bool { hosts.contains { $0.position == position } }

    /// The hosts' own namespaces that have an address on a link of theirs, but for one.
    func arrival(of address: IPAddress, from position: Int) -> (position: Int, link: NamespaceState.Link)? {
        for host in hosts where host.position != position {
            let own = self[host.position].addresses.first { $0.address.address == address && $0.link != "lo" }
            if let own, let link = link(host.position, named: own.link) { return (host.position, link) }
        }
        return nil
    }

    subscript(_ position: Int) -> NamespaceState { inventory.namespaces[position] }

    func position(ofInode inode: UInt64) -> Int? { positions[inode] }

    func link(_ position: Int, named name: String) -> NamespaceState.Link? {
        self[position].links.first { $0.link.name == name }
    }

    func link(_ position: Int, index: UInt32) -> NamespaceState.Link? {
        self[position].links.first { $0.index == index }
    }

    /// The other end of a link, with the namespace it is in.
    func peer(of link: NamespaceState.Link, in position: Int) -> (position: Int, link: NamespaceState.Link)? {
        guard let index = link.peerIndex else { return nil }
        let other = link.peerNamespace.map { positions[$0] } ?? position
        guard let other, let end = self.link(other, index: index) else { return nil }
        return (other, end)
    }

    /// Whether a link whose other end was not read is as good as a physical one: a virtual host's, with an address.
    func isUplink(_ link: NamespaceState.Link, _ position: Int) -> Bool {
        isHost(position) && self[position].addresses.contains { $0.link == link.link.name }
    }

    func holds(_ position: Int, _ address: IPAddress) -> Bool {
        self[position].addresses.contains { $0.address.address == address }
    }

    /// A sysctl, or `nil` when the inventory does not have it.
    func sysctl(_ position: Int, _ name: String) -> Int? { self[position].sysctls[name].flatMap { Int($0) } }

    // MARK: names

    /// Who a namespace belongs to: what the engine says, else what the name says.
    func identity(_ position: Int) -> Identity {
        let space = self[position]
        if let owner = owners[space.inode] { return Identity(owner) }
        return Identity(namespaceName: space.name) ?? Identity(container: nil, service: nil, task: nil)
    }

    func place(_ position: Int) -> Place {
        let space = self[position]
        let identity = identity(position)
        let name = hosts.count > 1 ? hosts[homes[position]].name : nil
        func place(_ title: String, _ kind: Place.Kind, _ host: String?) -> Place {
            Place(
                namespace: space.name, title: title, kind: kind, host: host, isListed: isListed(position),
                path: space.path)
        }
        if let host = hosts.first(where: { $0.position == position }) { return place(host.name, .host, name) }
        if let task = identity.task { return place(task, .task, name) }
        if let container = identity.container { return place(container, .container, name) }
        if let part = engines.part(namespaceName: space.bareName) {
            return place(part.title, part.kind, name)
        }
        return place(space.name, .other, name)
    }

    /// Whether `ip netns` lists a namespace, or needs not to: the host's own.
    private func isListed(_ position: Int) -> Bool {
        let path = self[position].path
        return isHost(position) || path.hasPrefix("/run/netns/") || path.hasPrefix("/var/run/netns/")
    }

    /// The service, task or container that has an address, as seen from a namespace.
    ///
    /// Hosts have addresses of their own that are the same: one's own host's come first.
    func owner(of address: IPAddress, at position: Int) -> Identity? {
        let all = holders[address] ?? []
        guard all.count <= 1 || !all.contains(where: { isHost($0) }) else { return nil }
        let near = all.filter { homes[$0] == homes[position] }
        let known = (near.isEmpty ? all : near).map { identity($0) }.first { $0.name != nil }
        // One whose host is in no inventory is known by name all the same.
        return known ?? (all.isEmpty ? engines.holder(of: address) : nil)
    }

    /// The host that a namespace is on, as a position in ``hosts``.
    func home(of position: Int) -> Int { homes[position] }

    /// Who a namespace belongs to.
    struct Identity: Hashable, Sendable {
        var container: String?
        var service: String?
        /// Service and slot: `web.1`.
        var task: String?
        /// With the identifier: `web.1.TASKID`.
        var fullTask: String?

        var name: String? { task ?? container }

        init(container: String?, service: String?, task: String?) {
            self.container = container
            self.service = service
            self.task = task
            fullTask = task
        }

        init(_ owner: Inventory.Owner) {
            container = owner.containerName
            service = owner.serviceName
            fullTask = owner.taskName
            task = owner.taskName.map { name in
                guard let id = owner.taskID, name.hasSuffix("." + id) else { return Self.short(name) }
                return String(name.dropLast(id.count + 1))
            }
        }

        /// `cw-web.1.abcdefgh`: what Causeway names the namespaces of its tasks.
        init?(namespaceName: String) {
            guard namespaceName.hasPrefix(Rtnl.linkPrefix) else { return nil }
            let parts = namespaceName.dropFirst(Rtnl.linkPrefix.count).split(separator: ".")
            guard parts.count >= 3 else { return nil }
            service = parts.dropLast(2).joined(separator: ".")
            task = parts.dropLast().joined(separator: ".")
            fullTask = parts.joined(separator: ".")
        }

        /// Takes a 25-character identifier off the end of a task's name.
        static func short(_ name: String) -> String {
            let parts = name.split(separator: ".")
            guard let last = parts.last, last.count == 25 else { return name }
            return parts.dropLast().joined(separator: ".")
        }
    }
}
