import CausewayModel
import Foundation
import Testing

struct AssignmentChangeTests {
    private static let seed = ProcessInfo.processInfo.environment["CAUSEWAY_SEED"].flatMap { UInt64($0) } ?? 4711

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `a change, sent and applied, gives exactly the other assignment`(number: UInt64) throws {
        var town = RandomTown(seed: Self.seed &+ number)
        var last = town.next()
        for step in 0..<20 {
            let next = town.next()
            let change = try #require(AssignmentChange(from: last, to: next))
            let sent = try JSONDecoder().decode(AssignmentChange.self, from: try JSONEncoder().encode(change))

            #expect(sent.apply(to: last) == next, "seed \(Self.seed &+ number), step \(step)")
            last = next
        }
    }

    @Test func `a change of one thing carries that thing and nothing else`() throws {
        var town = RandomTown(seed: 7)
        var old = town.next()
        old.places = (0..<1_000).map { PlacedAddresses(id: "place\(1_000 + $0)", nodeID: "n1", addresses: []) }
        var new = old
        new.revision += 1
        new.places[17].nodeID = "n2"
        new.places.remove(at: 3)
        new.places.append(PlacedAddresses(id: "place9999", nodeID: "n1", addresses: []))

        let change = try #require(AssignmentChange(from: old, to: new))

        #expect(change.places?.removed == ["place1003"])
        #expect(change.places?.replaced.map(\.id) == ["place1017", "place9999"])
        #expect(change.places?.order == nil)
        #expect(change.services == nil && change.tasks == nil && change.networks == nil && change.peers == nil)
        #expect(change.apply(to: old) == new)
    }

    @Test func `a change is not applied to another assignment than its own`() throws {
        var town = RandomTown(seed: 8)
        let (first, second, third) = (town.next(), town.next(), town.next())
        let change = try #require(AssignmentChange(from: second, to: third))

        #expect(change.apply(to: first) == nil)
        // The revision fits, and the content does not.
        var tampered = second
        tampered.peers = []
        var other = second
        other.revision = third.revision
        other.peers = Array(second.peers.dropFirst())
        let removal = try #require(AssignmentChange(from: second, to: other))
        #expect(second.peers.isEmpty || removal.apply(to: tampered) == nil)
    }

    @Test func `there is no change between two nodes, or when an identifier comes twice`() {
        var town = RandomTown(seed: 9)
        let old = town.next()
        var stranger = old
        stranger.nodeID = "another"
        var twice = old
        let place = PlacedAddresses(id: "p", nodeID: "n", addresses: [])
        twice.places = [place, place]

        #expect(AssignmentChange(from: old, to: stranger) == nil)
        #expect(AssignmentChange(from: old, to: twice) == nil)
        #expect(AssignmentChange(from: twice, to: old) == nil)
    }
}

/// SplitMix64: small, and the same everywhere.
private struct TownGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// A node's assignments in which everything comes, goes, changes and changes its order.
private struct RandomTown {
    private var generator: TownGenerator
    private var assignment = NodeAssignment(
        revision: 0, nodeID: "n1", nodeNumber: 1, hostname: "n1", uniqueLocalPrefix: RandomTown.prefix)
    private var nextID = 0

    static let prefix = CIDR("10.0.0.0/8")!

    init(seed: UInt64) { generator = TownGenerator(state: seed) }

    mutating func next() -> NodeAssignment {
        assignment.revision += 1
        assignment.hostname = "n\(number(3))"
        assignment.tunnel =
            number(4) == 0 ? nil : Tunnel(pool: Self.prefix, uniqueLocalPrefix: Self.prefix)
        assignment.dataAddress = number(3) == 0 ? nil : address()
        let balancers = (1...5).filter { _ in number(2) == 0 }.map {
            BalancerAddress(networkID: "n\($0)", nodeID: "n1", address: CIDR(host: Self.address(number(3))))
        }
        assignment.balancers = balancers.isEmpty ? nil : balancers
        assignment.networks = alter(assignment.networks) {
            Swarm.Network(id: $0, meta: Self.meta, spec: Swarm.NetworkSpec(name: "x\($1)"))
        }
        assignment.services = alter(assignment.services) { ServiceEndpoint(id: $0, name: "s\($1)", mode: .vip) }
        assignment.containers = alter(assignment.containers) {
            AttachedContainer(id: $0, createdAt: Self.meta.createdAt, nodeID: "n1", name: "c\($1)")
        }
        assignment.peers = alter(assignment.peers) {
            Peer(id: $0, hostname: "h\($1)", number: $1, dataAddress: Self.address($1))
        }
        assignment.places = alter(assignment.places) {
            PlacedAddresses(id: $0, nodeID: "n\($1)", addresses: [Self.address($1)])
        }
        let service = Swarm.Service(id: "s", meta: Self.meta, spec: Self.spec)
        assignment.tasks = alter(assignment.tasks) { Swarm.Task(id: $0, meta: Self.meta, service: service, slot: $1) }
        return assignment
    }

    /// Half of the lists stay as they are.
    private mutating func alter<Element: Identifiable>(
        _ old: [Element], _ make: (String, Int) -> Element
    ) -> [Element] where Element.ID == String {
        guard number(2) == 0 else { return old }
        var list = old
        for _ in 0..<number(4) where !list.isEmpty { list.remove(at: number(list.count)) }
        for _ in 0..<number(3) where !list.isEmpty {
            let at = number(list.count)
            list[at] = make(list[at].id, number(100))
        }
        for _ in 0..<number(5) {
            nextID += 1
            // Not in the order in which they come, and never twice.
            list.insert(make("id\(number(1_000))-\(nextID)", number(100)), at: number(list.count + 1))
        }
        switch number(3) {
        case 0: list.sort { $0.id < $1.id }
        case 1: list.shuffle(using: &generator)
        default: break
        }
        return list
    }

    private mutating func number(_ below: Int) -> Int { Int.random(in: 0..<below, using: &generator) }
    private mutating func address() -> IPAddress { Self.address(number(1_000)) }

    private static func address(_ number: Int) -> IPAddress { .v4(IPv4Address(rawValue: UInt32(number))) }
    private static let meta = Swarm.Meta(
        createdAt: Timestamp(seconds: 1, nanoseconds: 0), updatedAt: Timestamp(seconds: 1, nanoseconds: 0))
    private static let spec = Swarm.ServiceSpec(
        name: "s", taskTemplate: Swarm.TaskSpec(containerSpec: .init(image: "i")))
}
