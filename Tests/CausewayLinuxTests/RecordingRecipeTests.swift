import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Foundation
import Testing

/// The recipe's folder against the live inventory: two ways to read one kernel.
@Suite(.serialized) struct `Recording recipe` {
    /// A folder that goes with the test.
    private final class Folder {
        let path: String
        init() { path = NSTemporaryDirectory() + "cw-recipe-\(UInt32.random(in: 0 ... .max))" }
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func files() throws -> [String: [UInt8]] {
            var files: [String: [UInt8]] = [:]
            for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
                files[name] = FileManager.default.contents(atPath: path + "/" + name).map { Array($0) }
            }
            return files
        }

        func inventory() throws -> Inventory { try Recording(files: files(), fallbackName: "").inventory() }
    }

    private func record(_ shell: [String]) async throws -> Folder {
        let folder = Folder()
        let script = folder.path + ".sh"
        try RecordingRecipe.script.write(toFile: script, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: script) }
        let scratch = folder.path + ".scratch"
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let output = try Command(shell + [script, folder.path], environment: ["TMPDIR": scratch]).run()
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch).isEmpty, "it leaves scratch files")
        #expect(output.status == 0, "\(output.errors)")
        return folder
    }

    /// Two namespaces that meet in a bridge, with a tunnel that was made in a third.
    private func build() async throws -> [TestNamespace] {
        let (task, overlay, host) = (
            try await TestNamespace("recipe-task"), try await TestNamespace("recipe-over"),
            try await TestNamespace("recipe-host")
        )
        try await host.shell(
            """
            ip link add up0 type bridge
            ip address add 192.0.2.1/24 dev up0 && ip link set up0 up
            ip link add vx type vxlan id 4242 dstport 4790 proxy learning l2miss l3miss
            ip link set vx netns \(overlay.name) name vxlan0
            ip route add default via 192.0.2.254
            ip route add 203.0.113.0/24 nexthop via 192.0.2.7 dev up0 nexthop via 192.0.2.8 dev up0
            ip route add unreachable 198.51.100.0/24 table 77 metric 5
            ip rule add from 192.0.2.0/24 fwmark 0x10/0xff lookup 77 priority 100
            ip -6 address add 2001:db8::1/64 dev up0 nodad
            iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.0.2.5:8080
            iptables -t mangle -A PREROUTING -p tcp --dport 81 -j MARK --set-mark 0x104
            nft add table inet mine
            nft 'add chain inet mine c { type filter hook input priority 5; }'
            nft add rule inet mine c tcp dport 22 accept
            """)
        try await overlay.shell(
            """
            ip link add br0 type bridge
            ip address add 10.0.9.1/24 dev br0
            ip link add veth0 type veth peer name eth0 netns \(task.name)
            ip link set veth0 master br0 && ip link set vxlan0 master br0
            ip link set br0 up && ip link set veth0 up && ip link set vxlan0 up
            bridge fdb add 02:42:0a:00:09:07 dev vxlan0 dst 192.0.2.9 self permanent
            bridge fdb add 02:42:0a:00:09:08 dev veth0 master static
            bridge link set dev veth0 hairpin on
            ip neigh add 10.0.9.7 lladdr 02:42:0a:00:09:07 dev vxlan0 nud permanent
            """)
        try await task.shell(
            """
            ip address add 10.0.9.3/24 dev eth0 && ip link set eth0 up
            sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.eth0.rp_filter=2
            """)
        // Both ways of reading have to meet the same: links' own addresses come late, and are tried first.
        for (space, links) in [(overlay, "br0 veth0 vxlan0"), (task, "eth0")] {
            try await space.shell(
                """
                for link in \(links); do
                    until ip -6 -o address show dev $link scope link -tentative | grep -q fe80; do sleep 0.02; done
                done
                """)
        }
        return [task, overlay, host]
    }

    @Test(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"), .timeLimit(.minutes(2)))
    func `a folder says the same as the kernel`() async throws {
        let spaces = try await build()
        let port = try await spaces[0].namespace.perform { try PortProbe.listenOnAny() }

        let folder = try await record(["sh"])
        let live = try await InventoryReader(enginePath: "/nonexistent.sock").read()
        let recorded = try folder.inventory()

        #expect(recorded.machine == live.machine)
        #expect(recorded.hostname == live.hostname)
        #expect(recorded.namespaces[0].inode == live.namespaces[0].inode)
        for space in spaces {
            let there = try #require(live.namespaces.first { $0.name == space.name })
            let here = try #require(recorded.namespaces.first { $0.name == space.name })
            compare(here, there)
        }
        let task = try #require(recorded.namespaces.first { $0.name == spaces[0].name })
        #expect(task.sockets.contains { $0.port == port.number && $0.processID == PortProbe.processID })
        let overlay = try #require(recorded.namespaces.first { $0.name == spaces[1].name })
        let tunnel = try #require(overlay.links.first { $0.link.name == "vxlan0" }?.tunnel)
        #expect(tunnel.underlay == (try spaces[2].namespace.inode))
        #expect(tunnel.answersNeighbors && tunnel.learns)
        #expect(overlay.links.first { $0.link.name == "veth0" }?.port?.isHairpin == true)
        port.close()
    }

    private func compare(_ here: NamespaceState, _ there: NamespaceState) {
        #expect(here.inode == there.inode)
        #expect(here.path == there.path)
        func links(_ state: NamespaceState) -> [NamespaceState.Link] {
            state.links.sorted { $0.index < $1.index }.map { link in
                var link = link
                // Only where ethtool is installed.
                if Command.find("ethtool") == nil { link.link.checksumOffload = nil }
                return link
            }
        }
        #expect(links(here) == links(there))
        #expect(here.hasIPVS == there.hasIPVS)
        #expect(here.isInhabited == there.isInhabited)
        #expect(Set(here.addresses) == Set(there.addresses))
        #expect(Set(here.routes) == Set(there.routes))
        #expect(Set(here.rules) == Set(there.rules))
        #expect(Set(here.forwarding) == Set(there.forwarding))
        #expect(Set(here.stations) == Set(there.stations))
        #expect(here.tables == there.tables)
        #expect(here.iptables == there.iptables)
        #expect(here.ipvs == there.ipvs)
        #expect(here.sockets == there.sockets)
        // The neighbours that were set; others come and go.
        func set(_ state: NamespaceState) -> Set<NamespaceState.Neighbor> {
            Set(state.neighbors.filter { $0.state == "permanent" })
        }
        #expect(set(here) == set(there))
        for (name, value) in there.sysctls where name != "net.netfilter.nf_conntrack_count" {
            #expect(here.sysctls[name] == value, "\(name)")
        }
    }

    @Test(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"), .timeLimit(.minutes(2)))
    func `it leaves the host as it was, and a folder that is there alone`() async throws {
        func state() throws -> [String] {
            try ["/run/netns", "/run"].flatMap { folder in
                try FileManager.default.contentsOfDirectory(atPath: folder).map { folder + "/" + $0 }
            }.sorted()
        }
        let space = try await TestNamespace("recipe-one")
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
        let before = try state()

        let folder = try await record(["sh"])

        #expect(try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8) == mounts)
        #expect(try state() == before)
        let again = try Command(["sh", "-c", RecordingRecipe.script, "sh", folder.path]).run()
        #expect(again.status == 1)
        #expect(again.errors.contains("is there already"))
        withExtendedLifetime(space) {}
    }

    @Test(arguments: ["dash", "busybox"]) func `any shell can read it`(shell: String) throws {
        guard Command.find(shell) != nil else { return }
        let output = try Command(
            shell == "busybox"
                ? [shell, "sh", "-n", "-c", RecordingRecipe.script] : [shell, "-n", "-c", RecordingRecipe.script]
        ).run()
        #expect(output.status == 0, "\(output.errors)")
    }
}
