import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath

/// A host as a folder of listings.
@Suite struct RecordingTests {
    private func files() throws -> [String: [UInt8]] {
        let swarm = try RecordedSwarm()
        return try #require(swarm.hosts["hosta"])
    }

    private func read(_ files: [String: [UInt8]]) throws -> Inventory {
        try Recording(files: files, fallbackName: "somewhere").inventory()
    }

    @Test func `everything that was recorded is in the inventory`() throws {
        let inventory = try read(files())

        #expect(inventory.hostname == "hosta")
        #expect(inventory.gaps.isEmpty)
        #expect(inventory.namespaces.map(\.name).first == "host")
        #expect(inventory.namespaces.count == 11)
        let overlay = try #require(inventory.namespaces.first { $0.name == "1-4zh0gkbiba" })
        let tunnel = try #require(overlay.links.first { $0.link.name == "vxlan0" })
        #expect(tunnel.link.kind == .vxlan(id: 4096, local: nil, port: 4789))
        #expect(
            tunnel.tunnel
                == NamespaceState.Tunnel(
                    learns: true, answersNeighbors: true, underlay: inventory.namespaces[0].inode))
        #expect(overlay.stations.contains { $0.address == MACAddress("02:42:0a:00:00:08") && $0.port == "vxlan0" })
        #expect(overlay.forwarding.map(\.destination) == Array(repeating: IPAddress("192.168.77.12"), count: 3))
        let balancer = try #require(inventory.namespaces.first { $0.name == "ingress_sbox" })
        #expect(balancer.ipvs.map(\.key) == [.mark(260)])
        #expect(balancer.sysctls["net.ipv4.vs.conntrack"] == "1")
        let host = inventory.namespaces[0]
        #expect(host.sockets.contains { $0.port == 8080 && $0.processName == "dockerd" && $0.processID == 154 })
        // Each end of each pair is known, but for the host's own uplink.
        for space in inventory.namespaces {
            for link in space.links where link.link.kind == .other("veth") {
                #expect((link.peerIndex == nil) == (space.name == "host" && link.link.name == "eth0"))
                #expect(link.peerNamespace != 0)
            }
        }
    }

    @Test func `what the engine says is joined with it`() throws {
        let inventory = try read(files())
        let engine = try #require(inventory.engine)

        #expect(engine.nodeAddress == IPAddress("192.168.77.11"))
        #expect(engine.services.map(\.name).sorted() == ["api", "glob", "hostpub", "rr", "web"])
        #expect(engine.tasks.count == 11)
        #expect(engine.nodes.map(\.hostname).sorted() == ["hosta", "hostb"])
        let ingress = try #require(engine.networks.first { $0.isIngress })
        #expect(ingress.identifiers == [4096])
        #expect(ingress.peers == [IPAddress("192.168.77.11"), IPAddress("192.168.77.12")])
        let web = try #require(ingress.services.first { $0.name == "web" })
        #expect(web.mark == 260)
        #expect(web.ports == [EngineState.Port(protocol: .tcp, target: 80, published: 8080, mode: "ingress")])
        #expect(web.backends.count == 4)
        let task = try #require(inventory.owners.first { $0.containerName.hasPrefix("web.2.") })
        let space = inventory.namespaces.first { $0.inode == task.namespaceInode }
        #expect(space?.name == "c19a0febf268")
    }

    @Test func `an inventory of a recording survives JSON`() throws {
        let inventory = try read(files())
        #expect(try JSONDecoder().decode(Inventory.self, from: JSONEncoder().encode(inventory)) == inventory)
    }

    /// Every kind of file, cut short: read, or refused with its name; never a crash.
    @Test func `a file that was cut is read as far as it goes, or named`() throws {
        let whole = try files()
        let cut = whole.keys.filter { $0.hasPrefix("ingress_sbox/") || $0.hasPrefix("docker/") || !$0.contains("/") }
        for name in cut.sorted() {
            for part in [0.1, 0.5, 0.97] {
                var files = whole
                files[name] = Array(whole[name]!.prefix(Int(Double(whole[name]!.count) * part)))
                do throws(RecordingError) {
                    _ = try Recording(files: files, fallbackName: "x").inventory()
                    #expect(!name.hasSuffix(".json"), "\(name) was cut, and nobody noticed")
                } catch {
                    #expect(error.file == name || name == "namespaces.txt", "\(name): \(error)")
                }
            }
        }
    }

    @Test func `listings that are nested without end, or of a wrong shape, are refused or left out`() throws {
        for text in [
            String(repeating: "[", count: 200_000), "{\"a\":" + String(repeating: "[{\"b\":", count: 50_000), "7",
            "[null,7,{\"ifname\":7},{\"ifindex\":-1,\"ifname\":\"x\"},{\"ifname\":\"y\",\"ifindex\":99999999999}]",
            "[{\"ifname\":\"z\",\"ifindex\":9,\"link_index\":9,\"linkinfo\":[],\"flags\":\"UP\",\"mtu\":\"1\"}]",
        ] {
            for name in ["link", "addr", "route", "rule", "neigh", "fdb", "nsid", "nft"] {
                var files = try files()
                files["root/\(name).json"] = Array(text.utf8)
                do throws(RecordingError) {
                    let inventory = try Recording(files: files, fallbackName: "x").inventory()
                    #expect(inventory.namespaces.count == 11)
                } catch {
                    #expect(error.file == "root/\(name).json")
                    #expect(error.description.count < 200)
                }
            }
        }
    }

    @Test(arguments: [
        ("", "no line 'root FOLDER'"), ("root", "line 1 has no folder"), ("root ../../etc", "the file is missing"),
        ("a b\n", "the file is missing"), ("root root\nx gone", "nothing is known of the namespace x"),
    ])
    func `a list of namespaces that leads nowhere is an error`(list: String, why: String) throws {
        var files = try files()
        files["namespaces.txt"] = Array(list.utf8)
        let error = #expect(throws: RecordingError.self) { try read(files) }
        #expect(error?.description.contains(why) == true)
    }

    @Test func `a folder that is no recording is said to be none`() {
        #expect(throws: RecordingError.self) { try read(["a.txt": []]) }
        #expect(!Recording.isRecording(["a.txt", "docker/info.json"]))
    }

    @Test func `names that steer a terminal stay within the drawing`() throws {
        var files = try files()
        let evil = "eth0\\u001b[31m\\u202e"
        for (name, bytes) in files where name.hasPrefix("ingress_sbox/") && name.hasSuffix(".json") {
            files[name] = Array(
                String(decoding: bytes, as: UTF8.self).replacing("\"eth0\"", with: "\"\(evil)\"").utf8)
        }
        let trace = try RecordedSwarm.ask([try read(files)], "web:8080", from: "192.168.77.100")

        for text in [trace.description, SVGRenderer().render(trace)] {
            #expect(!text.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x202e })
        }
        #expect(trace.description.contains("eth0?[31m?"))
    }
}
