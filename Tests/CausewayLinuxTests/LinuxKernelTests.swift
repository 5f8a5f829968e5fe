import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayTestKit
import Testing

/// The live kernel, in namespaces made for the test: one plays the host, one the task.
@Suite(.enabled(if: TestNamespace.isAllowed, "\(TestNamespace.whyNot)"))
struct `Linux kernel` {
    let host: TestNamespace
    let task: TestNamespace

    init() async throws {
        host = try await TestNamespace("linux-host")
        task = try await TestNamespace("linux-task")
    }

    private var desiredHost: KernelState { get throws { try ContractStates(taskNamespace: task.name).host } }
    private var desiredTask: KernelState { get throws { try ContractStates(taskNamespace: task.name).task } }

    private var hostKernel: LinuxKernel {
        LinuxKernel(
            namespace: host.namespace, scope: .host, sysctls: ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
    }

    private var taskKernel: LinuxKernel {
        LinuxKernel(namespace: task.namespace, scope: .task, sysctls: ["net.ipv6.conf.eth0.accept_ra"])
    }

    @Test func `what is desired is observed after the plan, and a second plan is empty`() async throws {
        try await KernelContract.reaches(try desiredHost, in: hostKernel)
        try await KernelContract.reaches(try desiredTask, in: taskKernel)
        #expect(Plan(from: try await hostKernel.observe(), to: try desiredHost).isEmpty)

        // And a packet goes through.
        try await host.run("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
        let port = try await host.namespace.perform { try PortProbe.listenOnAny() }
        try await task.run("bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/\(port.number)")
        port.close()
    }

    @Test func `everything that is taken away is seen and put back`() async throws {
        try await KernelContract.reaches(try desiredHost, in: hostKernel)
        try await KernelContract.reaches(try desiredTask, in: taskKernel)
        let (inHost, inTask) = (try desiredHost, try desiredTask)
        func without(_ state: KernelState, _ change: (inout KernelState) -> Void) -> KernelState {
            var state = state
            change(&state)
            return state
        }

        try await KernelContract.repairs(
            inTask,
            from: [
                // The kernel forgets routes with the address that they prefer.
                without(inTask) { ($0.addresses, $0.routes) = ([], []) }, without(inTask) { $0.routes = [] },
                without(inTask) { $0.neighbors.removeFirst() }, without(inTask) { $0.links["eth0"]?.mtu = 1400 },
                without(inTask) { $0.links["eth0"]?.address = ContractStates.hostMAC },
                without(inTask) { $0.sysctls["net.ipv6.conf.eth0.accept_ra"] = "1" },
            ], in: taskKernel)
        try await KernelContract.repairs(
            inHost,
            from: [
                without(inHost) { $0.routes.removeFirst() }, without(inHost) { $0.neighbors = [] },
                without(inHost) { $0.forwarding = [] }, without(inHost) { $0.rules.removeFirst() },
                without(inHost) { $0.rules = [] }, without(inHost) { $0.links["cw-vxlan"]?.checksumOffload = nil },
                without(inHost) { $0.routes = Set($0.routes.map { route in Self.with(mtu: 1300, route) }) },
                without(inHost) { $0.tables = [] }, without(inHost) { $0.tables[0].sets[0].elements.removeLast() },
                without(inHost) { $0.links["cw-a"]?.alias = "another" },
                without(inHost) { $0.sysctls["net.ipv4.ip_forward"] = "0" }, KernelState(),
            ], in: hostKernel)

        // The kernel itself forgets what was on a link that goes down.
        try await host.run("ip", "link", "set", "cw-a", "down")
        #expect(try await hostKernel.observe().links["cw-a"]?.isUp == false)
        try await KernelContract.reaches(inHost, in: hostKernel)
    }

    private static func with(mtu: UInt32, _ route: Rtnl.Route) -> Rtnl.Route {
        var route = route
        if route.mtu != nil { route.mtu = mtu }
        return route
    }

    @Test func `a link that is left to the kernel in part is observed as it was desired`() async throws {
        let desired = KernelState(links: [
            "cw-b": Rtnl.Link(name: "cw-b", kind: .veth(peer: "eth0", namespace: task.name))
        ])

        try await KernelContract.reaches(desired, in: hostKernel.watching([]))
        #expect(try await hostKernel.watching([]).observe() == desired)
    }

    @Test func `a pair whose namespace was replaced under its name is made again`() async throws {
        let desired = KernelState(
            links: ["cw-c": Rtnl.Link(name: "cw-c", kind: .veth(peer: "eth0", namespace: task.name), mtu: 1500)])
        try await KernelContract.reaches(desired, in: hostKernel.watching([]))
        // Somebody still lives in the old one.
        let holder = try await task.namespace.perform { try NetlinkSocket(.route) }
        try NetworkNamespace.delete(name: task.name)
        _ = try await NetworkNamespace.create(name: task.name)

        try await KernelContract.reaches(desired, in: hostKernel.watching([]))

        let inside = try await taskKernel.observe()
        #expect(inside.links["eth0"]?.kind == .vethPeer)
        withExtendedLifetime(holder) {}
    }

    @Test func `steps that are taken already are refused with their reason`() async throws {
        try await KernelContract.reaches(try desiredHost, in: hostKernel)
        try await KernelContract.reaches(try desiredTask, in: taskKernel)
        let (inHost, inTask) = (try desiredHost, try desiredTask)

        for step in Plan(from: KernelState(), to: inHost).steps {
            switch step {
            case .tableReplace, .sysctlSet, .linkSet, .forwardAcceptAdd: continue
            default: try await KernelContract.refusesTwice(step, in: hostKernel)
            }
        }
        for step in inTask.addresses.map(Plan.Step.addressAdd) + inTask.routes.map(Plan.Step.routeAdd)
            + inTask.neighbors.map(Plan.Step.neighborAdd)
        {
            try await KernelContract.refusesTwice(step, in: taskKernel)
        }
        try await KernelContract.refusesTwice(.tableDelete(family: .inet, name: "nothing"), in: hostKernel)
    }

    @Test func `what is not ours is neither observed nor touched`() async throws {
        try await host.shell(
            """
            ip link add theirs type bridge && ip link set theirs up
            ip address add 198.51.100.1/24 dev theirs
            ip route add 203.0.113.0/24 via 198.51.100.2 proto static
            nft add table inet theirs
            """)

        let observed = try await hostKernel.watching([]).observe()

        #expect(observed == KernelState())
    }

    @Test func `a neighbour that the kernel has learned gives way`() async throws {
        try await KernelContract.reaches(try desiredHost, in: hostKernel)
        var less = try desiredTask
        less.neighbors = []
        try await KernelContract.reaches(less, in: taskKernel)
        try await task.run(
            "ip", "neigh", "add", "169.254.1.1", "lladdr", "02:00:00:00:00:09", "nud", "stale", "dev", "eth0")

        try await KernelContract.reaches(try desiredTask, in: taskKernel)
    }

    @Test func `errors say what was tried, what was said, and what to do`() async throws {
        let link = Rtnl.Link(name: "cw-d", kind: .veth(peer: "eth0", namespace: "linux-nowhere"))
        let absent = await #expect(throws: KernelError.self) { try await hostKernel.take(.linkAdd(link)) }
        #expect(absent?.reason == .notFound)
        #expect(absent?.detail == "no namespace /run/netns/linux-nowhere")

        let gone = LinuxKernel(namespace: NetworkNamespace(name: "linux-nowhere"), scope: .task)
        let nowhere = await #expect(throws: KernelError.self) { try await gone.observe() }
        #expect(nowhere?.reason == .noNamespace)

        let words = await #expect(throws: KernelError.self) {
            try await hostKernel.take(
                .elementsChange(
                    family: .inet, table: "causeway", delete: [],
                    add: [Plan.SetElements(set: "s", elements: [Nft.Element(key: [.number(1)])])]))
        }
        #expect(words?.reason == .notFound)
        #expect(words?.detail.contains("No such file or directory") == true)
    }
}

extension LinuxKernel {
    /// The same with other settings to observe.
    fileprivate func watching(_ sysctls: [String]) -> LinuxKernel {
        LinuxKernel(namespace: namespace, scope: scope, sysctls: sysctls)
    }
}
