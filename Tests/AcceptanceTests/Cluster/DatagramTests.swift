import Foundation
import Testing

extension Acceptance.InLab {
    /// A sender of datagrams on a socket that stays is never led to where nobody is, or somebody else.
    @Suite(.serialized, .nodes(3)) struct Datagrams {
        @Test(arguments: ["a published port", "a virtual address"])
        func `a flow moves when its task is killed; with nobody left the sender is told; it comes back`(
            _ by: String
        ) async throws {
            try await Self.withWeb { asking, virtual in
                let isInside = by == "a virtual address"
                let flow = try Flow(
                    to: isInside ? virtual : LabCluster.address("n1"), port: isInside ? 80 : 8080,
                    at: isInside ? asking.network : lab.place("client"))
                try await flow.during {
                    let first = try await flow.event("a first answer", since: 0) { $0.replica != nil }
                    try await Self.backendGoes(flow, try #require(first.replica))
                    try await Self.toZeroAndBack(flow)
                }
            }
        }

        @Test func `flows of replicas that stay keep their replica`() async throws {
            try await Self.withWeb { _, _ in
                try await lab.manager("service", "scale", "--detach", "dg-web=4")
                try await lab.leadsEverywhere(to: try await lab.converged("dg-web", 4).map(\.name))
                let flow = try Flow(
                    to: LabCluster.address("n1"), port: 8080, rate: 20, sockets: 40, at: lab.place("client"))
                try await flow.during {
                    try await eventually("an answer on each socket") {
                        Set(flow.events.compactMap { $0.replica == nil ? nil : $0.socket }).count == 40 ? true : nil
                    }
                    let before = Self.replicas(flow.events)
                    try await lab.manager("service", "scale", "--detach", "dg-web=2")
                    try await lab.converged("dg-web", 2)
                    let since = Flow.now
                    try await eventually("an answer on each socket") {
                        Set(flow.events(since: since).compactMap { $0.replica == nil ? nil : $0.socket }).count == 40
                            ? true : nil
                    }
                    let after = Self.replicas(flow.events(since: since))
                    for (socket, replica) in before where ["dg-web.1", "dg-web.2"].contains(replica) {
                        #expect(after[socket] == replica, "socket \(socket)")
                    }
                    #expect(Set(after.values) == ["dg-web.1", "dg-web.2"])
                    let failures = flow.events.filter { $0.error != nil }
                    #expect(failures.isEmpty, "\(failures.prefix(5))")
                }
            }
        }

        @Test func `a service that is deleted leaves nothing behind: no datagram reaches who gets its addresses`()
            async throws
        {
            // Fourteen addresses: they come back soon.
            try await lab.withNetwork("dg-small", "--subnet", "10.77.9.0/28") {
                let ask = ["--network", "dg-small", "--constraint", "node.hostname==n1"]
                try await lab.withService(
                    "dg-asks", options: ask, command: [Images.test, "sleep", "1000"]
                ) { asking in
                    let web = LabCluster.web(grace: 1)
                    let asker = try #require(asking.first)
                    var old: Set<String> = []
                    var virtual = ""
                    var flow: Flow?
                    try await lab.withService(
                        "dg-old", options: web.options + ["--network", "dg-small"], command: web.command, replicas: 2
                    ) { places in
                        for place in places { old.formUnion(try await lab.addresses(of: place)) }
                        virtual = try await lab.virtualAddress("dg-old")
                        let started = try Flow(to: virtual, port: 80, sockets: 4, at: asker.network)
                        flow = started
                        try await started.event("a first answer", since: 0) { $0.replica != nil }
                    }
                    let sender = try #require(flow)
                    try await sender.during {
                        let gone = Flow.now
                        try await sender.event("an error from the network", since: gone) { $0.error != nil }
                        // Whoever gets the virtual address itself is who the sender asks now; nobody else may be reached.
                        let options = web.options + ["--network", "dg-small", "--endpoint-mode", "dnsrr"]
                        try await lab.withService(
                            "dg-new", options: options, command: web.command, replicas: 11
                        ) { places in
                            var new: Set<String> = []
                            var heirs: Set<String> = []
                            for place in places {
                                let addresses = try await lab.addresses(of: place)
                                new.formUnion(addresses)
                                if addresses.contains(virtual) { heirs.insert(place.name) }
                            }
                            #expect(!old.intersection(new).isEmpty, "no address came back: \(old) \(new)")
                            try await Task.sleep(for: .seconds(1))
                            let answers = sender.events(since: gone).filter {
                                $0.replica.map { !heirs.contains($0) } ?? false
                            }
                            #expect(answers.isEmpty, "\(answers.prefix(5))")
                        }
                    }
                }
            }
        }

        // MARK: parts

        /// Two replicas on n2 and n3, and a task on n1 that asks.
        private static func withWeb(_ body: (_ asking: LabCluster.Place, _ virtual: String) async throws -> Void)
            async throws
        {
            let web = LabCluster.web(grace: 2)
            try await lab.withNetwork("dg-net") {
                let ask = ["--network", "dg-net", "--constraint", "node.hostname==n1"]
                try await lab.withService(
                    "dg-ask", options: ask, command: [Images.test, "sleep", "1000"]
                ) { asking in
                    let options = [
                        "--network", "dg-net", "--publish", "8080:80", "--publish", "8080:80/udp", "--constraint",
                        "node.hostname!=n1", "--restart-delay", "5s",
                    ]
                    try await lab.withService(
                        "dg-web", options: web.options + options, command: web.command, replicas: 2
                    ) { places in
                        try await lab.leadsEverywhere(to: places.map(\.name))
                        try await body(try #require(asking.first), try await lab.virtualAddress("dg-web"))
                    }
                }
            }
        }

        /// The replica that the flow is with is killed: the other one takes it over.
        private static func backendGoes(_ flow: Flow, _ replica: String) async throws {
            let victim = try #require(try await lab.places("dg-web").first { $0.name == replica })
            let killed = Flow.now
            kill(try #require(Int32(victim.process)), SIGKILL)
            let next = try await flow.event("another replica than \(replica) to answer", since: killed) {
                $0.replica != nil && $0.replica != replica
            }
            print("the flow moved after \(next.time - killed) ms")
            #expect(next.time - killed < 500)
            try await lab.converged("dg-web", 2)
        }

        /// With no replica the network refuses at once, never in silence; with two again it answers again.
        private static func toZeroAndBack(_ flow: Flow) async throws {
            let begun = Flow.now
            try await lab.manager("service", "scale", "--detach", "dg-web=0")
            let last = try await flow.event("a refusal", since: begun) { $0.error != nil }
            #expect(last.error == "refused")
            try await lab.converged("dg-web", 0)
            let zero = Flow.now
            try await Task.sleep(for: .seconds(1))
            let told = flow.events(since: zero)
            #expect(told.count > 50, "the sender is told again and again: \(told.count)")
            #expect(told.allSatisfy { $0.error == "refused" }, "\(told.filter { $0.error != "refused" }.prefix(3))")

            try await lab.manager("service", "scale", "--detach", "dg-web=2")
            try await lab.converged("dg-web", 2)
            let back = Flow.now
            let answer = try await flow.event("an answer again", since: back) { $0.replica != nil }
            #expect(answer.time - back < 500)
            // Every datagram has an answer or an error: nothing goes into a hole.
            let after = flow.events(since: answer.time)
            #expect(after.allSatisfy { $0.replica != nil }, "\(after.filter { $0.replica == nil }.prefix(3))")
        }

        private static func replicas(_ events: [Flow.Event]) -> [Int: String] {
            Dictionary(events.compactMap { event in event.replica.map { (event.socket, $0) } }) { $1 }
        }
    }
}
