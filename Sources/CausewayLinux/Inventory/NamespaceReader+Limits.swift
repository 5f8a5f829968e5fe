import CausewayKernel
import CausewayModel

/// Settings and limits: what decides where a packet goes, whether it is dropped, and when there is no more room.
extension NamespaceReader {
    mutating func readSysctls() {
        var names = Self.switches + Self.limits
        if !state.ipvs.isEmpty {
            names += ["conntrack", "conn_reuse_mode", "expire_nodest_conn", "snat_reroute"].map { "net.ipv4.vs.\($0)" }
        }
        for link in ["all", "default"] + state.links.map({ Sysctl.component($0.link.name) }) {
            names += [
                "rp_filter", "accept_local", "route_localnet", "src_valid_mark", "forwarding", "arp_ignore",
                "proxy_arp",
            ].map { "net.ipv4.conf.\(link).\($0)" }
            names += ["forwarding", "disable_ipv6"].map { "net.ipv6.conf.\(link).\($0)" }
        }
        for name in names {
            do throws(KernelError) {
                if let value = try Sysctl.read(name) { state.sysctls[name] = value }
            } catch {
                gap(error.description)
            }
        }
    }

    private static let switches = [
        "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.all.disable_ipv6",
        "net.ipv4.conf.all.route_localnet", "net.bridge.bridge-nf-call-iptables",
        "net.bridge.bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-arptables", "net.ipv6.bindv6only",
        "net.ipv4.ip_nonlocal_bind", "net.ipv4.fwmark_reflect", "net.ipv6.fwmark_reflect",
    ]

    private static let limits = [
        "net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_max", "net.ipv4.tcp_keepalive_time",
        "net.ipv4.neigh.default.gc_thresh2", "net.ipv4.neigh.default.gc_thresh3",
        "net.ipv6.neigh.default.gc_thresh2", "net.ipv6.neigh.default.gc_thresh3",
    ]

    mutating func readNeighbors(_ found: [NeighborMessage], _ names: [UInt32: String]) {
        var unanswered: [NamespaceState.Unanswered] = []
        for neighbor in found {
            guard let link = names[neighbor.linkIndex] else { continue }
            if let address = neighbor.address {
                state.neighbors.append(
                    NamespaceState.Neighbor(
                        neighbor: Rtnl.Neighbor(link: link, destination: neighbor.destination, address: address),
                        state: neighbor.stateName))
            } else if ["incomplete", "failed"].contains(neighbor.stateName) {
                unanswered.append(
                    NamespaceState.Unanswered(
                        link: link, destination: neighbor.destination, state: neighbor.stateName))
            }
        }
        state.unanswered = unanswered
    }

    /// Of tunnels alone: where a checksum that was left to the hardware is damaged, it is inside a tunnel.
    mutating func readOffloads() {
        for (position, link) in state.links.enumerated() {
            guard case .vxlan = link.link.kind else { continue }
            do throws(KernelError) {
                state.links[position].link.checksumOffload = try ChecksumOffload.isOn(link.link.name)
            } catch {
                gap(error.description)
            }
        }
    }
}
