import CausewayKernel
import CausewayModel

@testable import CausewayPath

extension DoctorCase {
    /// On the recorded Docker Swarm.
    static let swarm: [DoctorCase] = [
        DoctorCase(
            "sandbox-forward", "inherited 0", says: "the balancer ingress_sbox does not forward",
            shows: "net.ipv4.ip_forward = 0"
        ) {
            $0[space: "ingress_sbox"].sysctls["net.ipv4.ip_forward"] = "0"
        },
        DoctorCase(
            "ipvs-missing", "no IPVS", says: "this is why the published port 8080/tcp of service web is dead",
            shows: "mangle PREROUTING", owner: "Docker"
        ) {
            $0[space: "ingress_sbox"].hasIPVS = false
            $0[space: "ingress_sbox"].ipvs = []
        },
        DoctorCase(
            "ipvs-destinations", "a dead task", says: "leads to 10.0.0.99, which is no task's", shows: "-> 10.0.0.99",
            owner: "service web"
        ) {
            $0[space: "ingress_sbox"].ipvs[0].destinations.append(
                IPVS.Destination(address: IPAddress("10.0.0.99")!, port: 0, method: .masquerade, weight: 1))
        },
        DoctorCase(
            "ipvs-destinations", "a task is missing", says: "does not lead to web.1 (10.0.0.8)", shows: "FWM 260",
            owner: "service web"
        ) {
            $0[space: "ingress_sbox"].ipvs[0].destinations.removeAll { $0.address == IPAddress("10.0.0.8") }
        },
        DoctorCase("ipvs-destinations", "drained", says: "its weight is 0", shows: "weight 0", owner: "service web") {
            $0[space: "ingress_sbox"].ipvs[0].destinations[0].weight = 0
        },
        DoctorCase(
            "ipvs-destinations", "no service", says: "service web has no balancer", shows: "FWM 260",
            owner: "service web"
        ) {
            $0[space: "ingress_sbox"].ipvs = []
        },
        DoctorCase("ipvs-timeouts", "reuse", says: "waits a second", shows: "conn_reuse_mode = 1") {
            $0[space: "ingress_sbox"].sysctls["net.ipv4.vs.conn_reuse_mode"] = "1"
        },
        DoctorCase(
            "docker-ingress-jump", "no jump in nat", says: "nat PREROUTING has no jump", shows: "DOCKER-INGRESS",
            owner: "Docker"
        ) {
            $0.editChain("nat", "PREROUTING") { $0.rules.removeAll { $0.target == .jump("DOCKER-INGRESS") } }
        },
        DoctorCase(
            "docker-ingress-jump", "no rule", says: "leads 8080/tcp of service web to the balancer",
            shows: "no rule for port 8080", owner: "Docker"
        ) {
            $0.editChain("nat", "DOCKER-INGRESS") { $0.rules = [] }
        },
        DoctorCase(
            "docker-ingress-jump", "no jump in FORWARD", says: "filter FORWARD has no jump", shows: "DOCKER-INGRESS",
            owner: "Docker"
        ) {
            $0.editChain("filter", "FORWARD") { $0.rules.removeAll { $0.target == .jump("DOCKER-INGRESS") } }
        },
        DoctorCase(
            "docker-ingress-order", "DOCKER-USER behind", says: "DOCKER-USER stands behind", shows: "-j DOCKER-USER",
            owner: "Docker"
        ) {
            $0.editChain("filter", "FORWARD") { $0.rules.remove(at: 0) }
        },
        DoctorCase(
            "docker-ingress-order", "a drop before", says: "before DOCKER-INGRESS drops", shows: "-p tcp -j DROP",
            owner: "somebody's own rule"
        ) {
            $0.editChain("filter", "FORWARD") {
                $0.rules.insert(DoctorBed.rule("-p tcp -j DROP", [.protocol(6)], .drop), at: 0)
            }
        },
        DoctorCase(
            "overlay-entries", "a live task has none", says: "web.1 (10.0.0.8) is on another node",
            shows: "10.0.0.8 dev vxlan0: no entry", owner: "web.1"
        ) { bed in
            let name = bed.overlay("ingress")
            bed[space: name].neighbors.removeAll { $0.neighbor.destination == IPAddress("10.0.0.8") }
        },
        DoctorCase(
            "overlay-entries", "wrong node", says: "frames for web.1 go to 192.168.77.99", shows: "dst 192.168.77.99",
            owner: "web.1"
        ) { bed in
            let name = bed.overlay("ingress")
            let mac = bed[space: name].neighbors.first { $0.neighbor.destination == IPAddress("10.0.0.8") }!.neighbor
                .address
            let at = bed[space: name].forwarding.firstIndex { $0.address == mac }!
            bed[space: name].forwarding[at].destination = IPAddress("192.168.77.99")!
        },
        DoctorCase(
            "overlay-entries", "of a dead task", says: "has entries for 10.0.0.55", shows: "10.0.0.55", owner: "Docker"
        ) { bed in
            let name = bed.overlay("ingress")
            let mac = MACAddress("02:42:0a:00:00:37")!
            bed[space: name].neighbors.append(
                NamespaceState.Neighbor(
                    neighbor: Rtnl.Neighbor(link: "vxlan0", destination: IPAddress("10.0.0.55")!, address: mac),
                    state: "permanent"))
            bed[space: name].forwarding.append(
                Rtnl.ForwardingEntry(link: "vxlan0", address: mac, destination: IPAddress("192.168.77.99")!))
        },
        DoctorCase(
            "fdb-missing", "a live task's", says: "10.0.0.8 (web.1)", shows: "10.0.0.8 dev vxlan0", owner: "web.1"
        ) { bed in
            let name = bed.overlay("ingress")
            let mac = bed[space: name].neighbors.first { $0.neighbor.destination == IPAddress("10.0.0.8") }!.neighbor
                .address
            bed[space: name].forwarding.removeAll { $0.address == mac }
        },
        DoctorCase("bridge-port", "out of the bridge", says: "is a port of no bridge", shows: "master -") { bed in
            bed.editLink("veth1", space: bed.overlay("ingress")) { $0.controller = nil }
        },
        DoctorCase(
            "mtu", "a narrow underlay", says: "and 1350 fit through eth0 to 192.168.77.12", shows: "eth0 mtu 1400"
        ) {
            $0.editLink("eth0") { $0.link.mtu = 1400 }
        },
        DoctorCase(
            "vtep-address", "another source", says: "know this one as 192.168.77.99", shows: "NodeAddr 192.168.77.99",
            owner: "Docker"
        ) {
            $0.inventories[0].engine?.nodeAddress = IPAddress("192.168.77.99")
        },
        DoctorCase(
            "closed-port", "nobody listens", says: "nothing listens on", shows: "no socket listens",
            owner: "service web"
        ) { bed in
            for at in bed.inventories[0].namespaces.indices where bed.inventories[0].namespaces[at].name.count == 12 {
                bed.inventories[0].namespaces[at].sockets.removeAll { !$0.address.isLoopback }
            }
        },
        DoctorCase("subnet-overlap", "with the office", says: "overlap", shows: "10.0.0.0/16 dev eth0") {
            $0[host: 0].routes.append(
                Rtnl.Route(destination: CIDR("10.0.0.0/16")!, gateway: IPAddress("192.168.77.1"), link: "eth0"))
        },
        DoctorCase("published-port", "the mark is gone", says: "8080/tcp of service web", shows: "8080") {
            $0.editChain("mangle", "PREROUTING", space: "ingress_sbox") { $0.rules = [] }
        },
        DoctorCase(
            "forward-drop", "the accepting rule is gone", says: "Docker drops forwarded packets",
            shows: "FORWARD: policy DROP", owner: "Docker"
        ) {
            $0.editChain("filter", "DOCKER-INGRESS") { $0.rules = [] }
        },
        DoctorCase(
            "leftover-namespace", "a dead container's", says: "deadbeef0000 is left over",
            shows: "/run/docker/netns/deadbeef0000", owner: "Docker"
        ) {
            var space = NamespaceState(name: "deadbeef0000", path: "/run/docker/netns/deadbeef0000", inode: 777)
            space.isInhabited = false
            $0.inventories[0].namespaces.append(space)
        },
    ]
}

extension DoctorBed {
    /// The namespace of an overlay network on the first host.
    func overlay(_ network: String) -> String {
        let id = inventories[0].engine!.networks.first { $0.name == network }!.id
        return inventories[0].namespaces.first { space in
            let parts = space.name.split(separator: "-", maxSplits: 1)
            return parts.count == 2 && id.hasPrefix(parts[1])
        }!.name
    }
}
