import CausewayKernel
import CausewayModel

/// What a host's services are reachable by, as far as its inventory shows it.
///
/// Published ports and virtual IPs are read from Causeway's own maps in the kernel, ports of single containers from
/// Docker's DNAT rules, those of a Swarm from its balancers and from what its engines say; whose they are follows from the
/// addresses to which they lead.
struct Directory: Sendable {
    struct PublishedPort: Hashable, Sendable {
        var transport: Packet.Transport
        var port: UInt16
        /// To where it leads, each once; empty when no task is behind it.
        var targets: [Endpoint]
        /// As a set's comment says it.
        var service: String?
    }

    struct Endpoint: Hashable, Sendable {
        var address: IPAddress
        var port: UInt16?
    }

    struct VirtualIP: Hashable, Sendable {
        var address: IPAddress
        var targets: [IPAddress]
        var service: String?
    }

    let world: World
    private(set) var published: [PublishedPort] = []
    private(set) var virtualIPs: [VirtualIP] = []
    /// Where a port or an address stands in the lists above, while they are filled.
    private var portPositions: [String: Int] = [:]
    private var addressPositions: [IPAddress: Int] = [:]

    init(_ world: World) {
        self.world = world
        guard !world.inventory.namespaces.isEmpty else { return }
        for table in world[world.home].tables where table.name == KernelState.tableName {
            for set in table.sets where set.data != nil { read(set) }
            for set in table.sets where set.data == nil { readNames(set) }
        }
        for table in world[world.home].iptables where table.name == "nat" {
            for rule in table.chains.flatMap(\.rules) { read(rule) }
        }
        readBalancers()
        readEngines()
        published.sort { ($0.port, $0.transport.rawValue) < ($1.port, $1.transport.rawValue) }
        virtualIPs.sort { $0.address < $1.address }
    }

    /// `(protocol, port, slot) → (address, port)`, or `(address, slot) → address`.
    private mutating func read(_ map: Nft.Set) {
        for element in map.elements {
            let key = Self.flat(element.key)
            let data = Self.flat(element.data ?? [])
            guard case .address(let target)? = data.first, let first = key.first else { continue }
            if case .address(let address) = first {
                addVirtualIP(address, target)
            } else if key.count > 1, case .number(let port) = key[1], let transport = Self.transport(first) {
                var targetPort: UInt16?
                if data.count > 1, case .number(let number) = data[1] { targetPort = UInt16(exactly: number) }
                add(transport, UInt16(truncatingIfNeeded: port), Endpoint(address: target, port: targetPort))
            }
        }
    }

    /// Sets of published ports and of virtual addresses, whose comments say `service NAME`.
    private mutating func readNames(_ set: Nft.Set) {
        for element in set.elements {
            guard let comment = element.comment, comment.hasPrefix("service ") else { continue }
            let name = String(comment.dropFirst("service ".count))
            let key = Self.flat(element.key)
            if case .address(let address)? = key.first, key.count == 1 {
                assign(address, to: name)
            } else if key.count == 2, case .number(let port) = key[1], let transport = Self.transport(key[0]) {
                assign(transport, UInt16(truncatingIfNeeded: port), to: name)
            }
        }
    }

    mutating func assign(_ address: IPAddress, to service: String) {
        virtualIPs[position(of: address)].service = service
    }

    mutating func assign(_ transport: Packet.Transport, _ port: UInt16, to service: String) {
        published[position(of: transport, port)].service = service
    }

    private mutating func position(of address: IPAddress) -> Int {
        if let at = addressPositions[address] { return at }
        virtualIPs.append(VirtualIP(address: address, targets: []))
        addressPositions[address] = virtualIPs.count - 1
        return virtualIPs.count - 1
    }

    private mutating func position(of transport: Packet.Transport, _ port: UInt16) -> Int {
        let key = "\(transport.rawValue) \(port)"
        if let at = portPositions[key] { return at }
        published.append(PublishedPort(transport: transport, port: port, targets: []))
        portPositions[key] = published.count - 1
        return published.count - 1
    }

    private mutating func read(_ rule: IPTables.Rule) {
        guard case .dnat(let addresses?, let ports)? = rule.target else { return }
        var transport: Packet.Transport?
        var port: UInt16?
        for match in rule.matches {
            if case .protocol(let number) = match {
                transport = Packet.Transport.allCases.first { $0.number == number }
            }
            if case .destinationPort(let range) = match { port = range.lowerBound }
        }
        guard let transport, let port else { return }
        add(transport, port, Endpoint(address: addresses.lowerBound, port: ports?.lowerBound))
    }

    private static func flat(_ values: [Nft.Value]) -> [Nft.Value] {
        values.flatMap { if case .concatenation(let parts) = $0 { parts } else { [$0] } }
    }

    private static func transport(_ value: Nft.Value) -> Packet.Transport? {
        switch value {
        case .name(let name): Packet.Transport(rawValue: name)
        case .number(let number): Packet.Transport.allCases.first { UInt64($0.number) == number }
        default: nil
        }
    }

    private mutating func add(_ transport: Packet.Transport, _ port: UInt16, _ target: Endpoint) {
        let at = position(of: transport, port)
        if !published[at].targets.contains(target) { published[at].targets.append(target) }
    }

    private mutating func addVirtualIP(_ address: IPAddress, _ target: IPAddress) {
        let at = position(of: address)
        if !virtualIPs[at].targets.contains(target) { virtualIPs[at].targets.append(target) }
    }

    // MARK: whose

    /// Names of services, in order.
    var services: [String] {
        let running = world.inventory.namespaces.indices.compactMap { world.identity($0).service }
        let named = published.compactMap(\.service) + virtualIPs.compactMap(\.service)
        return Set(running + named + engineServices).sorted(by: NaturalOrder.isBefore)
    }

    /// Names of tasks, or of containers without one.
    var tasks: [String] {
        world.inventory.namespaces.indices.filter { !world.isHost($0) }.compactMap { world.identity($0).name }
            .sorted(by: NaturalOrder.isBefore)
    }

    func ports(of service: String) -> [PublishedPort] {
        published.filter { port in
            port.service == service || port.targets.contains { self.service(of: $0.address) == service }
        }
    }

    /// The port of a service's own tasks behind published ones; `nil` where only a balancer's is known.
    ///
    /// Nobody here has the address of a task of another node; a balancer's somebody has.
    func taskPort(of service: String, behind ports: [PublishedPort]) -> UInt16? {
        let targets = ports.lazy.flatMap(\.targets)
        let own = targets.first { self.service(of: $0.address) == service }
        let elsewhere = targets.first { target in
            !world.inventory.namespaces.indices.contains { world.holds($0, target.address) }
        }
        return (own ?? elsewhere)?.port
    }

    /// Ports that lead to a container by its own name, Docker's `-p`.
    func ports(ofNamespace at: Int) -> [PublishedPort] {
        published.filter { $0.targets.contains { world.holds(at, $0.address) } }
    }

    /// The one on a network of the asker's, if there is one.
    func virtualIP(of service: String, _ family: IPFamily, from asker: Int? = nil) -> IPAddress? {
        let own = virtualIPs.map { vip in
            (vip.address, vip.service == service || vip.targets.contains { self.service(of: $0) == service })
        }
        .filter { $0.1 && $0.0.family == family }.map(\.0)
        let near = asker.flatMap { asker in own.first { isOnLink($0, at: asker) } }
        return near ?? own.first
    }

    /// Whether a namespace has an address in the same subnet.
    func isOnLink(_ address: IPAddress, at position: Int) -> Bool {
        world[position].addresses.contains { !$0.address.isHost && $0.address.contains(address) }
    }

    func namespaces(of service: String) -> [Int] {
        world.inventory.namespaces.indices.filter { world.identity($0).service == service }
    }

    /// A task's or a container's namespace by any of its names: `web.1`, `web.1.ID`, a container's name or id.
    func namespace(named name: String) -> Int? {
        let all = world.inventory.namespaces.indices
        if let at = all.first(where: { world.identity($0).name == name && !world.isHost($0) }) { return at }
        if let at = all.first(where: { world.identity($0).fullTask == name || world.identity($0).container == name }) {
            return at
        }
        if let at = all.first(where: { world[$0].name == name }) { return at }
        let owner = world.inventory.owners.first {
            $0.taskID == name || (name.count >= 12 && $0.containerID.hasPrefix(name))
        }
        return owner.flatMap { world.position(ofInode: $0.namespaceInode) }
    }

    func service(of address: IPAddress) -> String? { world.owner(of: address, at: world.home)?.service }

    /// The namespace's own address that others reach it by.
    func address(of at: Int, _ family: IPFamily) -> IPAddress? {
        if world.isHost(at), let own = advertised(at), own.family == family { return own }
        let routing = Routing(world[at])
        let usable = world[at].addresses.filter { $0.address.family == family }
        let preferred = routing.decide(RouteQuery(destination: Question.documentation(family))).route
        if let link = preferred?.link,
            let own = routing.address(on: link, toward: preferred?.gateway ?? Question.documentation(family))
        {
            return preferred?.source ?? own
        }
        return usable.map(\.address.address).first { !$0.isLoopback && $0.v6?.isLinkLocal != true }
    }
}
