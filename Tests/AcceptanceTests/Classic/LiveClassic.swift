import CausewayTestKit
import Foundation

/// The lab in the guest of scripts/vm: n1 and n2, whose published-port mesh and network `old` are of data path classic, and whose
/// network `new` is direct.
///
/// Made for the first that asks; it ends with the guest.
enum LiveClassic {
    private static let begun = Task {
        // What a node makes gets its settings, not those of the guest's first namespace.
        try await shell("sysctl", "-qw", "net.core.devconf_inherit_init_net=3")
        try await shell("modprobe", "-a", "br_netfilter", "ip_vs", "ip_vs_rr", "vxlan", "overlay")
        try await startEngine()
        try await Images.make()
        try await Steady.build()
        try await lab.begin(nodes: 2, joined: 2)
        let removed = try await lab.manager.raw("DELETE", "/v1.41/networks/ingress")
        guard removed.status == 204 else { throw Refused(what: "ingress is not removed: \(removed)") }
        let classic = ["--opt", "causeway.datapath=classic"]
        for words in [["--ingress"] + classic + ["ingress"], classic + ["old"], ["new"]] {
            try await lab.manager(["network", "create", "--driver", "overlay"] + words)
        }
    }

    static func running() async throws { try await begun.value }

    /// The service that is asked.
    static let web = "lc-web"

    /// Runs a body while the service has a task on each node, of its own network and published, and `lc-ask` asks.
    static func withWeb(
        networks asking: [String], _ options: [String] = [], body: (_ asker: LabCluster.Place) async throws -> Void
    ) async throws {
        try await running()
        let served = LabCluster.web(grace: 5)
        let place = ["--replicas-max-per-node", "1", "--network", "old", "--publish", "8080:80"]
        try await lab.withService(
            web, options: served.options + place + options, command: served.command, replicas: 2
        ) { _ in
            let join = asking.flatMap { ["--network", $0] }
            try await lab.withService("lc-ask", options: join, command: [Images.test, "sleep", "100000"]) { places in
                guard let asker = places.first else { throw Refused(what: "nobody asks") }
                try await body(asker)
            }
        }
    }

    /// Updates the service while clients ask, who have asked before and go on for a while.
    static func update(_ options: String...) async throws {
        try await Task.sleep(for: asking)
        try await lab.manager(["service", "update", "--detach", "--quiet"] + options + [web])
        try await lab.updateIsOver(web)
        try await lab.converged(web, 2)
        try await Task.sleep(for: asking)
    }

    /// In which some dozens of requests are answered, or not.
    static let asking = Duration.seconds(3)

    private struct Refused: Error, CustomStringConvertible {
        var what: String
        var description: String { what }
    }

    private static func startEngine() async throws {
        let folders = "/run/docker.sock /var/lib/docker /run/docker /run/docker.pid /run/dockerd.log"
        let options =
            "--add-runtime causeway=\(Machine.executable("causeway-oci")) --exec-opt native.cgroupdriver=cgroupfs"
        try await shell(
            "bash", "-euc", "cd '\(Machine.root.path)'; . scripts/lib.sh; start_engine \(folders) \(options)")
    }
}
