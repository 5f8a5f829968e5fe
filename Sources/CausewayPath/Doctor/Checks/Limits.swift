import CausewayKernel
import CausewayModel

/// A full table drops every new connection.
struct ConntrackCheck: Check {
    let name = "conntrack-full"
    let looksAt = "nf_conntrack_count against nf_conntrack_max, in every namespace"
    let why =
        "when the table is full, new connections vanish (`nf_conntrack: table full, dropping packet`) while old ones work"
    let threads: [Discussion] = [Discussion(repository: "kubernetes/kubernetes", number: 139_628)]

    func examine(_ patient: Patient) -> Examination {
        patient.each(patient.all, missing: "the inventory has no nf_conntrack_count") { position in
            let count = patient.world.sysctl(position, "net.netfilter.nf_conntrack_count")
            // One limit for all of the machine, counted in each namespace: not every one shows it.
            let host = patient.world.host(of: position)
            let most = [position, host].lazy.compactMap { patient.world.sysctl($0, "net.netfilter.nf_conntrack_max") }
                .first
            guard let count, let most, most > 0 else { return patient.world.isHost(position) ? nil : [] }
            guard count * 100 >= most * 80 else { return [] }
            let isFull = count * 100 >= most * 97
            return [
                Finding(
                    isFull ? .fault : .risk,
                    "conntrack of \(patient.place(position).heading) is \(isFull ? "full" : "\(count * 100 / most) % full"): \(count) of \(most) connections",
                    [
                        patient.sysctl(position, "net.netfilter.nf_conntrack_count"),
                        Evidence(.sysctl, "net.netfilter.nf_conntrack_max = \(most)", at: patient.place(host)),
                    ],
                    remedy: .run(
                        "sysctl -w net.netfilter.nf_conntrack_max=\(most * 4)",
                        "conntrack -L in that namespace shows who opens them"))
            ]
        }
    }
}

/// One table of neighbours for all namespaces of a machine.
struct NeighborTableCheck: Check {
    let name = "neighbor-table-full"
    let looksAt = "neighbours that are not permanent, of all namespaces, against net.ipv4.neigh.default.gc_thresh3"
    let why =
        "the table is one for the whole machine: when it is full, hosts that were never spoken to cannot be reached (`neighbour: arp_cache: neighbor table overflow`)"
    let threads: [Discussion] = [.moby(32_195)]

    func examine(_ patient: Patient) -> Examination {
        patient.each(patient.hosts, missing: "the inventory has no net.ipv4.neigh.default.gc_thresh3 of the host") {
            host in
            let world = patient.world
            guard let most = world.sysctl(host, "net.ipv4.neigh.default.gc_thresh3"), most > 0 else { return nil }
            let members = [host] + patient.inner(of: host)
            let count = members.reduce(0) { $0 + Self.count(world[$1]) }
            guard count * 100 >= most * 80 else { return [] }
            let crowded = members.max { Self.count(world[$0]) < Self.count(world[$1]) } ?? host
            let isFull = count * 100 >= most * 97
            return [
                Finding(
                    isFull ? .fault : .risk,
                    "the neighbour table is \(isFull ? "full" : "\(count * 100 / most) % full"): \(count) of \(most), most of them in \(patient.place(crowded).heading)",
                    [patient.sysctl(host, "net.ipv4.neigh.default.gc_thresh3")],
                    remedy: .run(
                        "sysctl -w net.ipv4.neigh.default.gc_thresh3=\(most * 4)",
                        "and gc_thresh2 to half of that"))
            ]
        }
    }

    private static func count(_ space: NamespaceState) -> Int {
        space.neighbors.filter { $0.state != "permanent" && $0.neighbor.destination.family == .ip }.count
            + (space.unanswered ?? []).filter { $0.destination.family == .ip }.count
    }
}
