import CausewayKernel
import CausewayModel

/// One address, two owners.
struct DuplicateAddressCheck: Check {
    let name = "duplicate-address"
    let looksAt = "the addresses of all tasks, containers and balancers, on all hosts, and the virtual IPs"
    let why = "each of the two gets half of the other's packets"
    let threads: [Discussion] = [.moby(33_402), .moby(41_576)]

    func examine(_ patient: Patient) -> Examination {
        let world = patient.world
        var holders: [IPAddress: [(position: Int, address: Rtnl.Address)]] = [:]
        for position in patient.inner {
            // Every node's balancer has every virtual address, as a /32.
            for one in world[position].addresses
            where isCounted(one.address.address) && !(patient.isSandbox(position) && one.address.isHost) {
                holders[one.address.address, default: []].append((position, one))
            }
        }
        var findings: [Finding] = []
        for (address, found) in holders.sorted(by: { $0.key < $1.key }) {
            let rivals = patient.rivals(found.map(\.position), address)
            if rivals.count > 1 { findings.append(finding(patient, address, rivals)) }
        }
        return .of(findings + virtual(patient, holders.mapValues { $0.map(\.position) }))
    }

    private func isCounted(_ address: IPAddress) -> Bool {
        let isLocal = address.v6?.isLinkLocal == true || CIDR("169.254.0.0/16")?.contains(address) == true
        return !address.isLoopback && !isLocal
    }

    private func finding(_ patient: Patient, _ address: IPAddress, _ rivals: [Int]) -> Finding {
        let names = rivals.map { patient.place($0).heading }
        return Finding(
            .fault, "\(names.joined(separator: " and ")) have one address, \(address)",
            rivals.map { position in
                let link = patient.world[position].addresses.first { $0.address.address == address }?.link ?? "?"
                return Evidence(
                    .address, "\(address) dev \(link)", at: patient.place(position),
                    owner: patient.world.identity(position).name)
            },
            remedy: .advice("replace one of them: docker service update --force SERVICE, or docker rm -f CONTAINER"))
    }

    /// A virtual address that a task has as its own.
    private func virtual(_ patient: Patient, _ holders: [IPAddress: [Int]]) -> [Finding] {
        patient.hosts.flatMap { host in
            Directory(patient.world.seen(from: host)).virtualIPs.compactMap { vip -> Finding? in
                let owners = (holders[vip.address] ?? []).filter { patient.world.identity($0).name != nil }
                guard let holder = owners.first, patient.isCauseway(host) else { return nil }
                return Finding(
                    .fault,
                    "\(vip.address) is the virtual IP of \(vip.service.map { "service \($0)" } ?? "a service") and \(patient.place(holder).heading)'s own",
                    [
                        Evidence(
                            .address, "\(vip.address)", at: patient.place(holder),
                            owner: patient.world.identity(holder).name)
                    ], remedy: .advice("replace the task: docker service update --force SERVICE"))
            }
        }
    }
}

extension Patient {
    /// Of those that have an address: the ones that are on one network, so that it cannot be two's.
    ///
    /// Bridges of single hosts may use one subnet on each, and containers of `docker_gwbridge` do.
    func rivals(_ positions: [Int], _ address: IPAddress) -> [Int] {
        let byHost = Dictionary(grouping: Array(Set(positions)).sorted()) { world.host(of: $0) }
        if let crowded = byHost.sorted(by: { $0.key < $1.key }).first(where: {
            $0.value.count > 1 && areTogether($0.value, address)
        }) {
            return crowded.value
        }
        let wide = positions.filter { isWide($0, address) }
        return Set(wide.map { world.host(of: $0) }).count > 1 ? Array(Set(wide)).sorted() : []
    }

    /// On one host, where two bridges of their own may have one subnet: by what they are joined to.
    private func areTogether(_ positions: [Int], _ address: IPAddress) -> Bool {
        let networks = positions.compactMap { segment($0, address) }
        return networks.count == positions.count && Set(networks).count < networks.count
    }

    /// The bridge, or the host's own routing, that an address is reached by: a name that is the same for one segment.
    private func segment(_ position: Int, _ address: IPAddress) -> String? {
        guard let own = world[position].addresses.first(where: { $0.address.address == address }),
            let link = world.link(position, named: own.link), let peer = world.peer(of: link, in: position)
        else { return nil }
        return "\(peer.position) \(peer.link.controller ?? "routed")"
    }

    /// Whether an address is of a network that spans hosts: Causeway's, or one with a tunnel behind its bridge.
    private func isWide(_ position: Int, _ address: IPAddress) -> Bool {
        guard let own = world[position].addresses.first(where: { $0.address.address == address }),
            let link = world.link(position, named: own.link), let peer = world.peer(of: link, in: position)
        else { return false }
        return peer.link.link.name.hasPrefix(Rtnl.linkPrefix) || isOverlay(peer.position)
    }
}

/// Two networks that both claim an address.
struct SubnetOverlapCheck: Check {
    let name = "subnet-overlap"
    let looksAt = "subnets of networks and bridges, against each other and against the host's own routes"
    let why = "packets for one network go to the other: a VPN, the office or a second overlay becomes unreachable"
    let threads: [Discussion] = [.moby(50_011), .moby(24_220)]

    func examine(_ patient: Patient) -> Examination {
        .of(patient.hosts.flatMap { overlaps(patient, $0) })
    }

    private func overlaps(_ patient: Patient, _ host: Int) -> [Finding] {
        let claims = patient.claims(host)
        var findings: [Finding] = []
        for (position, one) in claims.enumerated() {
            for other in claims[..<position] where one.what != other.what && one.subnet.overlaps(other.subnet) {
                guard one.isNetwork || other.isNetwork else { continue }
                findings.append(
                    Finding(
                        .fault, "\(other.what) (\(other.subnet)) and \(one.what) (\(one.subnet)) overlap",
                        [
                            Evidence(.route, other.text, at: patient.place(host)),
                            Evidence(.route, one.text, at: patient.place(host)),
                        ],
                        remedy: .advice(
                            "make the network again with another subnet: docker network create --subnet; for Docker's own, default-address-pools in daemon.json"
                        )))
            }
        }
        return findings
    }
}

/// A subnet, and who claims it.
struct SubnetClaim {
    var subnet: CIDR
    var what: String
    /// Of a network of containers or tasks; else of the host's own world.
    var isNetwork: Bool
    var text: String
}

extension Patient {
    /// Who claims which subnet on a host: its routes, Causeway's networks, and overlays in namespaces of their own.
    func claims(_ host: Int) -> [SubnetClaim] {
        var claims: [SubnetClaim] = []
        let space = world[host]
        for route in space.routes where !route.destination.isHost && route.destination.prefixLength > 0 {
            let text =
                "\(route.destination)\(route.link.map { " dev \($0)" } ?? " \(route.kind.rawValue)") table \(route.table)"
            let isOurs = route.table == Rtnl.taskTable
            guard [.unicast, .unreachable].contains(route.kind), route.destination.address.v6?.isLinkLocal != true,
                route.destination.address.v6.map({ $0.high >> 56 != 0xff }) ?? true, isOurs || route.table == 254
            else { continue }
            if isOurs {
                guard route.link == Rtnl.goneLink || route.kind == .unreachable else { continue }
                claims.append(
                    SubnetClaim(
                        subnet: route.destination, what: "Causeway's network \(route.destination)", isNetwork: true,
                        text: text))
            } else if let link = route.link {
                let isBridge = space.links.first { $0.link.name == link }?.isBridge == true
                let isDockers = isBridge && (link.hasPrefix("docker") || link.hasPrefix("br-"))
                claims.append(
                    SubnetClaim(
                        subnet: route.destination, what: isDockers ? "Docker's bridge \(link)" : "link \(link)",
                        isNetwork: isDockers, text: text))
            }
        }
        claims += overlayClaims(host)
        var seen: Set<String> = []
        return claims.filter { seen.insert("\($0.subnet) \($0.what)").inserted }
    }

    /// Docker Swarm's: the bridge in the network's own namespace has the subnet.
    private func overlayClaims(_ host: Int) -> [SubnetClaim] {
        inner(of: host).filter { isOverlay($0) }.flatMap { position in
            world[position].addresses.filter {
                !$0.address.address.isLoopback && $0.address.address.v6?.isLinkLocal != true
            }
            .map { own in
                SubnetClaim(
                    subnet: own.address.network, what: "overlay \(overlayName(position))", isNetwork: true,
                    text: "\(own.address) dev \(own.link) in \(world[position].name)")
            }
        }
    }

    func overlayName(_ position: Int) -> String { network(ofOverlay: position)?.name ?? world[position].name }
}

/// No address left for the next task.
struct SubnetExhaustedCheck: Check {
    let name = "subnet-exhausted"
    let looksAt = "addresses in use on each network of the swarm, against what its subnet holds"
    let why =
        "new tasks stay in `New` or `Pending` without a word once a subnet is used up: each service, task and (in Docker Swarm) each node's balancer takes an address"
    let threads: [Discussion] = [.moby(43_052), .moby(37_338)]

    func examine(_ patient: Patient) -> Examination {
        var findings: [Finding] = []
        var count = 0
        for host in patient.hosts {
            for claim in patient.claims(host)
            where claim.isNetwork && claim.subnet.family == .ip && !claim.what.hasPrefix("Docker") {
                count += 1
                let used = patient.addresses(in: claim.subnet, host).count
                // The network's own address, its last one, and a gateway.
                let most = (1 << (32 - claim.subnet.prefixLength)) - 3
                guard most > 0, used * 100 >= most * 85 else { continue }
                findings.append(
                    Finding(
                        used >= most ? .fault : .risk, "\(claim.what) has \(used) of \(most) addresses in use",
                        [Evidence(.route, claim.text, at: patient.place(host))],
                        remedy: .advice(
                            "make a larger network (docker network create --subnet), and move services to it")))
            }
        }
        return count == 0 ? .irrelevant("no network of a swarm here") : .of(findings)
    }
}

extension Patient {
    /// What of a subnet is in use, as far as this host knows: routes to tasks, virtual IPs, own namespaces, neighbours.
    func addresses(in subnet: CIDR, _ host: Int) -> Set<IPAddress> {
        var found: Set<IPAddress> = []
        for route in world[host].routes where route.destination.isHost && route.table == Rtnl.taskTable {
            found.insert(route.destination.address)
        }
        found.formUnion(Directory(world.seen(from: host)).virtualIPs.map(\.address))
        for position in inner(of: host) {
            found.formUnion(world[position].addresses.map(\.address.address))
            if let network = network(ofOverlay: position) {
                found.formUnion(
                    network.services.flatMap { $0.backends.map(\.address) + ($0.virtualIP.map { [$0] } ?? []) })
            }
            if isOverlay(position) { found.formUnion(world[position].neighbors.map(\.neighbor.destination)) }
        }
        return found.filter { subnet.contains($0) }
    }
}
