import CausewayPath
import Foundation
import Testing

extension Acceptance.InLab {
    /// What `causeway doctor` says on real nodes: nothing while they are well, the cause, the hop and the owner of
    /// each fault when one is made.
    @Suite(.serialized, .nodes(2)) struct Doctor {
        @Test func `planted faults are found, and healthy nodes raise no alarm`() async throws {
            try await Self.withTown { town in
                try await Self.expectHealthy(town)
                var missed: [String] = []
                for fault in town.faults {
                    let (isRight, said) = try await Self.tryOut(fault)
                    if !isRight { missed.append("\(fault)\n\(said)") }
                }
                print("doctor: \(town.faults.count - missed.count) of \(town.faults.count) planted faults told right")
                for one in missed { print(one) }

                #expect(town.faults.count >= 25)
                #expect(missed.isEmpty, "\(missed.count) of \(town.faults.count)")
                try await Self.expectSilenceIsTold()
            }
        }

        // MARK: faults

        /// With the daemon stopped, so that nothing is repaired before it is looked at.
        private static func tryOut(_ fault: PlantedFault) async throws -> (isRight: Bool, said: String) {
            let daemon = try await lab.processID("n1")
            kill(daemon, SIGSTOP)
            let planted = await Result { try await lab.shell("n1", fault.script) }
            let diagnosis = await Result { try await diagnose(both: fault.needsBoth) }
            let undone = await Result { try await lab.shell("n1", fault.undo) }
            kill(daemon, SIGCONT)
            try await lab.plansBecomeEmpty()
            guard case .success(let found) = diagnosis, case .success = planted, case .success = undone else {
                return (false, "planted: \(planted), looked: \(diagnosis), undone: \(undone)")
            }
            return (
                found.findings.contains { $0.result.check == fault.check && matches($0.finding, fault) }, found.text()
            )
        }

        private static func matches(_ finding: Finding, _ fault: PlantedFault) -> Bool {
            finding.cause.contains(fault.says)
                && finding.evidence.contains { evidence in
                    let place = evidence.place
                    return (place.longHeading.contains(fault.hop) || (fault.hop == "host n1" && place.kind == .host))
                        && (fault.owner.map { evidence.owner == $0 } ?? true)
                }
        }

        /// Of the kernel alone; `both`: of two snapshots.
        private static func diagnose(both: Bool = false) async throws -> Diagnosis {
            let program = Machine.executable("causeway")
            guard both else {
                return try diagnosis(try await lab.exec("n1", program, "doctor", "--docker", "--format", "json"))
            }
            var words = ["doctor", "--format", "json"]
            for node in ["n1", "n2"] {
                let file = "/run/causeway-doctor-\(node).json"
                let said = try await lab.exec(node, program, "snapshot", "-o", file)
                guard said.succeeded else { throw Command.Failure(said: said) }
                words += ["--input", file]
            }
            return try diagnosis(try await LabCluster.causeway(words).attempt())
        }

        private static func diagnosis(_ said: Command.Said) throws -> Diagnosis {
            let diagnosis: Diagnosis
            do {
                diagnosis = try JSONDecoder().decode(Diagnosis.self, from: Data(said.out.utf8))
            } catch {
                throw Command.Failure(said: said)
            }
            #expect(said.status == (diagnosis.isHealthy ? 0 : 1), "\(said.command)")
            return diagnosis
        }

        // MARK: health

        private static func expectHealthy(_ town: DoctorTown) async throws {
            let program = Machine.executable("causeway")
            func expect(_ what: String, _ said: Command.Said) throws {
                let diagnosis = try diagnosis(said)
                #expect(diagnosis.findings.isEmpty, "\(what): \(diagnosis.text())")
                #expect(said.status == 0, "\(what)")
            }
            func controlled(_ what: String, _ script: String, undo: String) async throws {
                try await lab.shell("n1", script)
                try await lab.plansBecomeEmpty()
                let said = try await lab.exec("n1", program, "doctor", "--format", "json")
                try await lab.shell("n1", undo)
                try await lab.plansBecomeEmpty()
                try expect(what, said)
            }
            for node in ["n1", "n2"] {
                try expect("\(node), with its daemon", try await lab.exec(node, program, "doctor", "--format", "json"))
                try expect(
                    "\(node), without asking",
                    try await lab.exec(node, program, "doctor", "--docker", "--format", "json"))
            }
            let both = try await diagnose(both: true)
            #expect(both.findings.isEmpty, "two snapshots: \(both.text())")
            #expect(both.hosts == ["n1", "n2"])
            try await controlled(
                "strict source checks", "sysctl -qw net.ipv4.conf.all.rp_filter=1",
                undo: "sysctl -qw net.ipv4.conf.all.rp_filter=0")
            try await controlled(
                "a FORWARD that drops, with Causeway's entry", "iptables -P FORWARD DROP",
                undo: "iptables -P FORWARD ACCEPT")
            try await controlled(
                "a firewall for the host that names the published port",
                """
                nft 'add table inet mine; add chain inet mine in { type filter hook input priority 0; policy drop; }'
                nft 'add rule inet mine in ct state established,related accept'
                nft 'add rule inet mine in iifname { "lo", "cw-*" } accept'
                nft 'add rule inet mine in meta l4proto { icmp, ipv6-icmp } accept'
                nft 'add rule inet mine in tcp dport { 22, 2377, 8080, 8085 } accept'
                nft 'add rule inet mine in udp dport 4789 accept'
                """, undo: "nft delete table inet mine")
            try await controlled(
                "a bridge of somebody else's",
                "ip link add br7 type bridge; ip address add 198.18.7.1/24 dev br7; ip link set br7 up",
                undo: "ip link del br7")
            try await controlled(
                "a program and a firewall of one's own",
                """
                nft 'add table ip mine; add chain ip mine in { type filter hook input priority 0; }'
                nft 'add rule ip mine in tcp dport 9999 drop'
                """, undo: "nft delete table ip mine")
        }

        /// A daemon that hangs is itself what is wrong; the kernel is looked at all the same.
        private static func expectSilenceIsTold() async throws {
            let daemon = try await lab.processID("n1")
            kill(daemon, SIGSTOP)
            let said = await Result {
                try await lab.exec("n1", Machine.executable("causeway"), "doctor", "--format", "json")
            }
            kill(daemon, SIGCONT)
            let found = try diagnosis(try said.get())
            #expect(found.findings.map(\.result.check) == ["daemon-silent"], "\(found.text())")
        }

        // MARK: around it

        private static func withTown(_ body: (DoctorTown) async throws -> Void) async throws {
            let (options, command) = LabCluster.web()
            try await lab.withNetwork("dr-net") {
                try await lab.withService(
                    "dr-web", options: options + ["--network", "dr-net", "--publish", "8080:80"], command: command,
                    replicas: 2
                ) { web in
                    try await lab.withService(
                        "dr-client", options: ["--network", "dr-net", "--constraint", "node.hostname==n1"]
                    ) { clients in
                        try await lab.withService(
                            "dr-far", options: options + ["--publish", "8085:80", "--constraint", "node.hostname==n2"],
                            command: command
                        ) { _ in
                            try await lab.plansBecomeEmpty()
                            try await body(
                                try await look(
                                    try #require(web.first { $0.node == "n1" }), try #require(clients.first)))
                        }
                    }
                }
            }
        }

        private static func look(_ web: LabCluster.Place, _ client: LabCluster.Place) async throws -> DoctorTown {
            func addresses(_ task: LabCluster.Place) async throws -> [String] {
                try await lab.shell("n1", "\(DoctorTown.inside(task)) ip -4 -o address show dev eth0").lines.compactMap
                {
                    $0.split(separator: " ").dropFirst(3).first?.split(separator: "/").first.map(String.init)
                }
            }
            let client4 = try #require(try await addresses(client).first)
            let network = client4.split(separator: ".").dropLast().joined(separator: ".") + "."
            let own = try await addresses(web)
            return DoctorTown(
                web: web, client: client, address: try #require(own.first { $0.hasPrefix(network) }),
                ingress: try #require(own.first { !$0.hasPrefix(network) }), clientAddress: client4)
        }
    }
}

extension Result where Failure == any Error {
    /// What comes of a body, kept for later: what it has stopped must be set going again first.
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
