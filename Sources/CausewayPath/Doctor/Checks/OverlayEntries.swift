import CausewayKernel
import CausewayModel

/// Docker Swarm's own entries for tasks on other nodes, against what the engine has heard of them.
struct OverlayEntriesCheck: Check {
    let name = "overlay-entries"
    let looksAt =
        "neighbour and forwarding entries in each overlay's namespace, against the tasks that the engine knows on other nodes"
    let why = "gossip is applied once and errors are only logged: entries of live tasks vanish, those of dead ones stay"
    let threads: [Discussion] = [.moby(52_661), .moby(47_728)]

    func examine(_ patient: Patient) -> Examination {
        let overlays = patient.inner.filter { patient.isOverlay($0) && patient.world[$0].name.contains("-") }
            .filter { !patient.world[$0].name.hasPrefix(Rtnl.linkPrefix) }
        guard !overlays.isEmpty else { return .irrelevant("no overlay network of Docker Swarm's here") }
        return patient.each(overlays, missing: "no engine says which tasks there are") { position in
            guard let network = patient.network(ofOverlay: position),
                let tunnel = patient.world[position].links.first(where: { $0.vxlan != nil })
            else { return nil }
            let told = patient.remoteBackends(network, patient.world.host(of: position))
            return told.compactMap { missing(patient, position, network, tunnel, $0) }
                + stale(patient, position, network, tunnel, told)
        }
    }

    private func missing(
        _ patient: Patient, _ position: Int, _ network: EngineState.Network, _ tunnel: NamespaceState.Link,
        _ backend: EngineState.Backend
    ) -> Finding? {
        let space = patient.world[position]
        let who = World.Identity.short(backend.name)
        guard let entry = space.neighbors.first(where: { $0.neighbor.destination == backend.address }) else {
            return finding(
                patient, position, network,
                "\(who) (\(backend.address)) is on another node, and \(network.name) has no neighbour entry for it",
                Evidence(
                    .neighbor, "\(backend.address) dev \(tunnel.link.name): no entry", at: patient.place(position),
                    owner: who))
        }
        let ways = space.forwarding.filter { $0.link == tunnel.link.name && $0.address == entry.neighbor.address }
        // Without one at all it is another check's.
        guard let host = backend.host, let way = ways.first, !ways.contains(where: { $0.destination == host }) else {
            return nil
        }
        return finding(
            patient, position, network, "frames for \(who) go to \(way.destination), and it is on \(host)",
            Evidence(
                .forwarding, "\(way.address) dev \(way.link) dst \(way.destination)", at: patient.place(position),
                owner: who))
    }

    /// Of tasks that nobody knows any more.
    ///
    /// Each other node has one address for its balancer, which the engine here does not tell of.
    private func stale(
        _ patient: Patient, _ position: Int, _ network: EngineState.Network, _ tunnel: NamespaceState.Link,
        _ told: [EngineState.Backend]
    ) -> [Finding] {
        let known = Set(told.map(\.address) + network.endpoints.compactMap { $0.address?.address })
        // A network of which nothing is told tells nothing.
        guard !told.isEmpty else { return [] }
        let space = patient.world[position]
        let strangers = space.neighbors.filter { one in
            one.neighbor.link == tunnel.link.name && one.state == "permanent"
                && !known.contains(one.neighbor.destination)
                && !patient.all.contains { patient.world.holds($0, one.neighbor.destination) }
        }
        let byHost = Dictionary(grouping: strangers) { one in
            space.forwarding.first { $0.address == one.neighbor.address && $0.link == tunnel.link.name }?.destination
        }
        return byHost.sorted { $0.value.count > $1.value.count }.flatMap { host, entries -> [Finding] in
            let isPeer = host.map { network.peers.isEmpty || network.peers.contains($0) } ?? false
            guard entries.count > (isPeer ? 1 : 0) else { return [] }
            let addresses = entries.map { "\($0.neighbor.destination)" }.sorted().joined(separator: ", ")
            let cause =
                isPeer
                ? "of \(addresses), to which \(network.name) has entries, one is a balancer's and the others are no task's any more"
                : "\(network.name) has entries for \(addresses), which no task has any more"
            return [
                finding(
                    patient, position, network, cause,
                    Evidence(
                        .neighbor,
                        "\(addresses) dev \(tunnel.link.name) permanent, behind \(host.map { "\($0)" } ?? "nobody")",
                        at: patient.place(position), owner: "Docker"))
            ]
        }
    }

    private func finding(
        _ patient: Patient, _ position: Int, _ network: EngineState.Network, _ cause: String, _ evidence: Evidence
    ) -> Finding {
        Finding(
            .fault, cause, [evidence],
            remedy: .run(
                "docker service update --force SERVICE", "where that does not help, restart Docker on this node"))
    }
}
