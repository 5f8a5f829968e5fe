import CausewayKernel
import CausewayModel
import Foundation
import Testing

/// What Swarm's own data path adds to a namespace's state.
@Suite struct SandboxPlanTests {
    private static func destination(_ address: String, weight: UInt32 = 1) -> IPVS.Destination {
        IPVS.Destination(address: ip(address), port: 0, method: .masquerade, weight: weight)
    }

    private let service = IPVS.Service(
        key: .mark(260), scheduler: "rr", destinations: [Self.destination("10.0.0.5"), Self.destination("10.0.0.7")])

    private let marks = IPTables.Table(
        family: .ip, name: "mangle",
        chains: [
            IPTables.Chain(
                name: "PREROUTING",
                rules: [IPTables.Rule("-p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x104/0xffffffff")])
        ])

    @Test func `a balancer is there before packets are led to it, and goes after`() {
        let state = KernelState(balancers: [service], firewall: [marks])

        #expect(
            Plan(from: KernelState(), to: state).description == """
                ipvsadm -A -f 260 -s rr
                ipvsadm -a -f 260 -r 10.0.0.5:0 -m -w 1
                ipvsadm -a -f 260 -r 10.0.0.7:0 -m -w 1
                iptables -t mangle -I PREROUTING 1 -p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x104/0xffffffff
                """)
        #expect(
            Plan(from: state, to: KernelState()).description == """
                iptables -t mangle -D PREROUTING -p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x104/0xffffffff
                ipvsadm -D -f 260
                """)
    }

    @Test func `destinations come, are drained and go by themselves, and at no moment there is none that serves`() {
        var other = service
        other.destinations = [Self.destination("10.0.0.5", weight: 0), Self.destination("10.0.0.9")]

        #expect(
            Plan(from: KernelState(balancers: [service]), to: KernelState(balancers: [other])).description == """
                ipvsadm -a -f 260 -r 10.0.0.9:0 -m -w 1
                ipvsadm -e -f 260 -r 10.0.0.5:0 -m -w 0
                ipvsadm -d -f 260 -r 10.0.0.7:0
                """)
    }

    @Test func `what is counted is no difference, nor is the kernel's order`() {
        var counted = service
        counted.destinations[0].activeConnections = 7
        counted.destinations.reverse()

        #expect(Plan(from: KernelState(balancers: [counted]), to: KernelState(balancers: [service])).isEmpty)
    }

    @Test func `a published port is put into Swarm's chain without touching the other ports`() {
        func nat(_ ports: [Int]) -> KernelState {
            let rules = ports.map { "-p tcp -m tcp --dport \($0) -j DNAT --to-destination 172.18.0.2:\($0)" }
            return KernelState(firewall: [
                IPTables.Table(
                    family: .ip, name: "nat",
                    chains: [
                        IPTables.Chain(
                            name: "PREROUTING",
                            rules: [IPTables.Rule("-m addrtype --dst-type LOCAL -j DOCKER-INGRESS")]),
                        IPTables.Chain(
                            name: "DOCKER-INGRESS", rules: (rules + ["-j RETURN"]).map { IPTables.Rule($0) }),
                    ])
            ])
        }

        #expect(
            Plan(from: nat([8080, 8082]), to: nat([8080, 8081, 8082])).description == """
                iptables -t nat -I DOCKER-INGRESS 2 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.18.0.2:8081
                """)
        #expect(
            Plan(from: nat([8080]), to: KernelState()).description == """
                iptables -t nat -D DOCKER-INGRESS -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:8080
                iptables -t nat -D DOCKER-INGRESS -j RETURN
                iptables -t nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
                iptables -t nat -X DOCKER-INGRESS
                """)
    }

    @Test func `of a host's iptables ours is Swarm's chain, what leads to it, and what names its bridge`() {
        let saved = """
            *filter
            :FORWARD DROP [0:0]
            :DOCKER-FORWARD - [0:0]
            :DOCKER-INGRESS - [0:0]
            -A FORWARD -j DOCKER-USER
            -A FORWARD -j DOCKER-INGRESS
            -A FORWARD -i docker_gwbridge ! -o docker_gwbridge -j ACCEPT
            -A FORWARD -i docker0 -j ACCEPT
            -A DOCKER-FORWARD -i docker_gwbridge -j ACCEPT
            -A DOCKER-INGRESS -j RETURN
            COMMIT
            """
        let ours = IPTables.Table.read(save: saved, family: .ip).map(\.ofGatewayBridge)

        #expect(ours.flatMap(\.chains).map(\.name) == ["FORWARD", "DOCKER-INGRESS"])
        #expect(
            ours[0].chains[0].rules.map(\.text)
                == ["-j DOCKER-INGRESS", "-i docker_gwbridge ! -o docker_gwbridge -j ACCEPT"])
    }

    @Test func `a bridge is made before its ports, whatever their names`() {
        let links = [
            Rtnl.Link(name: "docker_gwbridge", kind: .bridge),
            Rtnl.Link(
                name: "cw-g1", kind: .veth(peer: "eth1", namespace: "cw-ingress_sbox"), master: "docker_gwbridge"),
        ]
        let state = KernelState(links: Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0) }))

        #expect(
            Plan(from: KernelState(), to: state).description == """
                link add docker_gwbridge type bridge up
                link add cw-g1 type veth peer eth1 netns cw-ingress_sbox master docker_gwbridge up
                """)
    }

    @Test func `what earlier releases wrote is read as a state without balancers`() throws {
        var old = try #require(
            JSONSerialization.jsonObject(with: JSONEncoder().encode(KernelState(sysctls: ["a": "b"]))) as? [String: Any]
        )
        old["balancers"] = nil
        old["firewall"] = nil

        let read = try JSONDecoder().decode(KernelState.self, from: JSONSerialization.data(withJSONObject: old))

        #expect(read == KernelState(sysctls: ["a": "b"]))
    }
}
