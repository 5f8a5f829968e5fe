import CausewayKernel
import CausewayModel
import Logging
import Testing

@testable import CausewayAgent

@Suite struct ClassicTests {
    private let desired = AssignmentCompiler().compile(ClassicShop.assignment(), facts: NodeFacts())

    @Test func `each network has a namespace of its bridge and one of its balancer, beside the tasks'`() {
        let tasks = Set(desired.namespaceOfTask.values)

        #expect(tasks.count == 6)
        #expect(
            Set(desired.namespaces.keys).subtracting(tasks)
                == ["cw-1-4zh0gkbiba", "cw-1-0wqu25uvvf", "cw-ingress_sbox", "cw-lb_0wqu25uvv"])
    }

    @Test func `every pair has an owner, and the end that it puts elsewhere is there`() {
        let spaces = desired.namespaces.merging(["": desired.host]) { first, _ in first }
        var ends: Set<String> = []
        for state in spaces.values {
            for case .veth(let peer, let namespace) in state.links.values.map(\.kind) {
                #expect(ends.insert("\(namespace) \(peer)").inserted)
                #expect(spaces[namespace]?.links[peer]?.kind == .vethPeer, "\(namespace) \(peer)")
            }
        }
        let peers = spaces.flatMap { name, state in
            state.links.values.filter { $0.kind == .vethPeer }.map { "\(name) \($0.name)" }
        }
        #expect(Set(peers) == ends)
    }

    @Test func `the plan of each namespace is taken as a kernel takes it`() async throws {
        for (name, state) in desired.namespaces where name.hasPrefix("cw-1-") {
            let empty = KernelState(links: ["lo": Rtnl.Link(name: "lo", kind: .loopback)])
            let kernel = FakeKernel(empty)
            for step in Plan(from: empty, to: state).steps { try await kernel.take(step) }

            #expect(await kernel.state.normalised == state.normalised, "\(name)")
        }
    }

    @Test func `a task depends on the bridge and the balancer of each of its networks`() {
        #expect(
            desired.supports[ClassicShop.namespace("web", 2)]
                == ["cw-1-4zh0gkbiba", "cw-1-0wqu25uvvf", "cw-ingress_sbox", "cw-lb_0wqu25uvv"])
        #expect(desired.supports[ClassicShop.namespace("api", 1)] == ["cw-1-0wqu25uvvf", "cw-lb_0wqu25uvv"])
    }

    @Test func `a backend that drains has weight 0, and keeps its place`() throws {
        let assignment = ClassicShop.assignment { tasks in tasks[1].desiredState = .shutdown }
        let state = AssignmentCompiler().compile(assignment, facts: NodeFacts()).namespaces["cw-ingress_sbox"]

        let destinations = try #require(state?.balancers.first).destinations
        #expect(
            destinations.map { "\($0.address) \($0.weight)" } == [
                "10.0.0.5 0", "10.0.0.6 1", "10.0.0.7 1", "10.0.0.8 1",
            ])
    }

    @Test func `each balancer is set as 20.10 sets it`() {
        for name in ["cw-ingress_sbox", "cw-lb_0wqu25uvv"] {
            #expect(
                desired.namespaces[name]?.sysctls == [
                    "net.ipv4.ip_forward": "1", "net.ipv4.vs.conntrack": "1", "net.ipv4.vs.expire_nodest_conn": "1",
                    "net.ipv4.vs.expire_quiescent_template": "1", "net.ipv4.vs.conn_reuse_mode": "0",
                ])
        }
    }

    @Test func `a service without a task leads nowhere`() throws {
        let assignment = ClassicShop.assignment { tasks in tasks.removeAll { $0.serviceName == "web" } }
        let desired = AssignmentCompiler().compile(assignment, facts: NodeFacts())
        let sandbox = try #require(desired.namespaces["cw-ingress_sbox"])

        #expect(sandbox.balancers.isEmpty && sandbox.firewall.isEmpty)
        #expect(sandbox.addresses.map(\.address.description).sorted() == ["10.0.0.2/24", "172.18.0.2/16"])
        #expect(desired.host.rules("nat", "DOCKER-INGRESS") == ["-j RETURN"])
    }

    @Test func `a mark is the same on every node`() throws {
        let other = AssignmentCompiler().compile(ClassicShop.assignment(for: "hostb"), facts: NodeFacts())

        for name in ["cw-ingress_sbox", "cw-lb_0wqu25uvv"] {
            let keys = [desired, other].map { $0.namespaces[name]?.balancers.map(\.key) }
            #expect(keys[0] == keys[1] && keys[0]?.isEmpty == false)
        }
        #expect(desired.namespaces["cw-ingress_sbox"]?.balancers.map(\.key) == [.mark(260)])
    }

    @Test func `the table of direct knows nothing of it, and the port is held all the same`() {
        let table = desired.host.tables[0]

        #expect(
            table.sets.allSatisfy {
                $0.keyed.entries.isEmpty || ["peers4", "selves4", "node_of", "mark_of"].contains($0.name)
            })
        #expect(desired.host.routes.allSatisfy { $0.link == Tunnel.linkName || $0.link == Rtnl.goneLink })
        #expect(desired.publishedPorts.map(\.port) == [8080])
    }

    @Test func `names on a classic network lead to the virtual address`() {
        let names = desired.names[ClassicShop.id("api1")]?.names

        #expect(names?["web"]?.addresses == [IPAddress("10.0.1.2")!])
        #expect(names?["tasks.web"]?.addresses.count == 4)
    }

    @Test func `links of a task stay as they are called while others come and go`() {
        let fewer = ClassicShop.assignment { tasks in tasks.removeAll { $0.serviceName == "glob" } }
        let after = AssignmentCompiler().compile(fewer, facts: NodeFacts())

        for name in ["cw-1-0wqu25uvvf", "cw-1-4zh0gkbiba"] {
            let gone = Set(desired.namespaces[name]?.links.values.map(\.self) ?? [])
                .subtracting(after.namespaces[name]?.links.values.map(\.self) ?? [])
            #expect(
                gone.map(\.name) == (name == "cw-1-0wqu25uvvf" ? ["veth\(ClassicShop.id("glob1").prefix(10))"] : []))
        }
    }

    @Test func `one assignment after the other gives what each gives alone`() {
        var compiler = PiecewiseCompiler()
        for count in [0, 3, 1, 6, 6, 2] {
            let assignment = ClassicShop.assignment { tasks in tasks.removeFirst(count) }
            var desired = compiler.compile(assignment, facts: NodeFacts())
            compiler.addNames(to: &desired)

            #expect(desired == AssignmentCompiler().compile(assignment, facts: NodeFacts()))
        }
    }

    @Test func `where the bridge's subnet is taken another one is its`() {
        var facts = NodeFacts()
        facts.gatewayBridges = GatewayBridge.choices([Rtnl.Route(destination: CIDR("172.16.0.0/13")!, link: "eth0")])
        let state = AssignmentCompiler().compile(ClassicShop.assignment(), facts: facts)

        #expect(
            state.host.addresses.filter { $0.link == "docker_gwbridge" }.map(\.address.description) == ["172.24.0.1/16"]
        )
        #expect(
            GatewayBridge.choices([
                Rtnl.Route(
                    destination: CIDR("10.9.0.0/16")!, link: "docker_gwbridge", source: IPAddress("10.9.0.1"))
            ]) == [CIDR("10.9.0.1/16")!])
    }

    @Test func `a host-mode port leads to its task by the bridge`() {
        let assignment = ClassicShop.assignment(for: "hostb") { tasks in
            for index in tasks.indices where tasks[index].serviceName == "hostpub" {
                tasks[index].ports = [
                    Swarm.PortConfig(targetPort: 80, publishedPort: 8082, publishMode: .host)
                ]
            }
        }
        let host = AssignmentCompiler().compile(assignment, facts: NodeFacts()).host

        #expect(
            host.rules("nat", "DOCKER-INGRESS").contains(
                "-p tcp -m tcp --dport 8082 -j DNAT --to-destination 172.18.0.14:80"))
        #expect(
            host.rules("filter", "DOCKER-INGRESS").contains("-d 172.18.0.14/32 -p tcp -m tcp --dport 80 -j ACCEPT"))
    }
}

/// One network classic, the mesh direct: what most clusters that need the one will have.
@Suite struct MixedTests {
    private func assignment(isInternal: Bool = false) -> NodeAssignment {
        var assignment = Shop.assignment()
        let old = ClassicShop.network(
            "old", "net-old0000000000", "10.0.9.0/24", tunnel: 4096, isInternal: isInternal)
        assignment.networks.append(old)
        assignment.dataAddress = IPAddress("192.0.2.1")
        assignment.balancers = [
            BalancerAddress(networkID: old.id, nodeID: "node1", address: CIDR("10.0.9.2/24")!)
        ]
        let legacy = Shop.service("legacy")
        var alone = Shop.task(legacy, slot: 1, [:])
        alone.networks = [.init(networkID: old.id, addresses: [CIDR("10.0.9.7/24")!])]
        alone.gatewayNumber = 3
        assignment.tasks[0].networks.append(.init(networkID: old.id, addresses: [CIDR("10.0.9.8/24")!]))
        assignment.tasks[0].gatewayNumber = 4
        assignment.tasks.append(alone)
        assignment.services.append(
            ServiceEndpoint(
                id: legacy.id, name: "legacy", mode: .vip,
                virtualIPs: [.init(networkID: old.id, addresses: [CIDR("10.0.9.3/24")!])],
                backends: [
                    .init(
                        taskID: alone.id, taskName: alone.name, slot: 1, nodeID: "node1", networks: alone.networks,
                        isActive: true)
                ]))
        return assignment
    }

    @Test func `what is direct stays as it was`() throws {
        let before = AssignmentCompiler().compile(Shop.assignment(), facts: NodeFacts())
        let after = AssignmentCompiler().compile(assignment(), facts: NodeFacts())
        let task = "cw-web.1.web1abcd"
        let (old, new) = (try #require(before.namespaces[task]), try #require(after.namespaces[task]))

        #expect(after.host.tables.map(\.normalised) == before.host.tables.map(\.normalised))
        #expect(after.host.routes == before.host.routes)
        #expect(new.links["eth0"] == old.links["eth0"] && new.routes == old.routes && new.firewall.isEmpty)
        #expect(new.links["eth1"]?.mtu == 1450)
        #expect(new.addresses.subtracting(old.addresses).map { "\($0.link) \($0.address)" } == ["eth1 10.0.9.8/24"])
        #expect(new.links["eth2"] == nil)
        #expect(
            before.namespaces.filter { $0.key != task }
                == after.namespaces.filter { before.namespaces[$0.key] != nil && $0.key != task })
    }

    @Test func `a task with nothing else goes out by the bridge`() throws {
        let after = AssignmentCompiler().compile(assignment(), facts: NodeFacts())
        let alone = try #require(after.namespaces["cw-legacy.1.legacy1a"])

        #expect(alone.routes.map { "\($0.destination) \($0.gateway!) \($0.link!)" } == ["0.0.0.0/0 172.18.0.1 eth1"])
        #expect(alone.links["eth1"]?.address?.description == "02:42:ac:12:00:03")
        // With nothing set that would be noted at it, so that somebody else's is not taken for ours.
        #expect(after.host.links["docker_gwbridge"] == Rtnl.Link(name: "docker_gwbridge", kind: .bridge))
        #expect(after.host.links["cw-glegacy1abc"]?.master == "docker_gwbridge")
        #expect(after.host.rules("nat", "DOCKER-INGRESS").isEmpty)
        #expect(after.host.rules("nat", "POSTROUTING") == ["-s 172.18.0.0/16 ! -o docker_gwbridge -j MASQUERADE"])
        #expect(after.host.sysctls["net.ipv4.conf.docker_gwbridge.route_localnet"] == nil)
    }

    /// The bridge may be somebody else's and stay: then nothing there says any more whose the rules for it are.
    @Test func `with the last classic network the host's rules go, whoever made the bridge`() async throws {
        let (node, none) = (FakeNode(), DesiredNode())
        let reconciler = NodeReconciler(node: node, logger: Logger(label: "test"))
        let some = AssignmentCompiler().compile(assignment(), facts: NodeFacts())
        let made = await reconciler.reconcile(to: some)
        #expect(made.errors.isEmpty, "\(made.errors.map(\.error))")
        #expect(try await !node.host.observe().firewall.isEmpty)

        let report = await reconciler.advance(from: some, to: none)

        #expect(report.errors.isEmpty)
        #expect(try await node.host.observe().firewall.isEmpty)
    }

    /// They may take long, and meanwhile a datagram's flow leads to who is gone.
    @Test func `what follows the host's change comes before the balancers are touched`() async throws {
        let node = FakeNode()
        let reconciler = NodeReconciler(node: node, logger: Logger(label: "test"))
        let some = AssignmentCompiler().compile(assignment(), facts: NodeFacts())
        let name = try #require(some.namespaces.first { !$0.value.balancers.isEmpty }?.key)
        _ = await reconciler.reconcile(to: some)
        let balancer = try #require(await node.kernels[name])
        var other = some
        other.namespaces[name]?.balancers = []

        let report = await reconciler.advance(from: some, to: other) {
            #expect(await !balancer.state.balancers.isEmpty)
        }

        #expect(report.errors.isEmpty)
        #expect(await balancer.state.balancers.isEmpty)
    }

    @Test func `an internal network has no way out and needs no bridge`() throws {
        let after = AssignmentCompiler().compile(assignment(isInternal: true), facts: NodeFacts())

        #expect(after.namespaces["cw-legacy.1.legacy1a"]?.routes.isEmpty == true)
        #expect(after.host.links["docker_gwbridge"] == nil && after.host.firewall.isEmpty)
    }
}
