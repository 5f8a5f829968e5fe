import CausewayKernel

/// Whose a rule or a chain is, by the names that its maker gives.
enum RuleOwner {
    /// A rule that bears nobody's name.
    static let unknown = "somebody's own rule"

    /// `table` as a hop's stage has it: `iptables filter`, `inet firewalld`.
    static func of(table: String?, chain: String, rule: String = "") -> String? {
        let table = table ?? ""
        if table.hasSuffix(" \(KernelState.tableName)") || rule.contains("comment causeway") { return "Causeway" }
        if table.hasSuffix(" firewalld") || table.hasSuffix("-firewalld") { return "firewalld" }
        let prefixes = [
            ("ufw", "ufw"), ("DOCKER", "Docker"), ("KUBE-", "kube-proxy"), ("cali-", "Calico"), ("CNI-", "CNI"),
            ("NETAVARK", "Podman"), ("f2b-", "fail2ban"), ("LIBVIRT_", "libvirt"),
        ]
        if let found = prefixes.first(where: { chain.hasPrefix($0.0) }) {
            return chain == "DOCKER-USER" ? "the administrator (DOCKER-USER)" : found.1
        }
        let zones = ["IN_", "FWDI_", "FWDO_", "FWD_", "PRE_"]
        if zones.contains(where: { chain.hasPrefix($0) }) { return "firewalld" }
        return nil
    }

    /// Of a base chain's policy: who is known to set it.
    static func ofPolicy(_ space: NamespaceState) -> String {
        let chains = space.iptables.filter { $0.name == "filter" }.flatMap(\.chains)
        if chains.contains(where: { $0.name.hasPrefix("ufw") }) { return "ufw, or Docker" }
        if chains.contains(where: { $0.name == "DOCKER" || $0.name == "DOCKER-USER" }) { return "Docker" }
        return "a bare policy"
    }
}
