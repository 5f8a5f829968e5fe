import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath

@Suite struct DoctorTests {
    // MARK: each check

    @Test(arguments: DoctorCase.nodes)
    func `on Causeway nodes, what is wrong is found`(one: DoctorCase) throws {
        var bed = DoctorBed.nodes()
        one.plant(&bed)

        try expect(one, bed)
    }

    @Test(arguments: DoctorCase.swarm)
    func `on a recorded Docker Swarm, what is wrong is found`(one: DoctorCase) throws {
        var bed = try DoctorBed.swarm()
        one.plant(&bed)

        try expect(one, bed)
    }

    private func expect(_ one: DoctorCase, _ bed: DoctorBed) throws {
        let result = try #require(bed.examine(one.check))
        let found = result.findings.first { finding in
            finding.cause.contains(one.says)
                && finding.evidence.contains { evidence in
                    evidence.object.contains(one.shows) && (one.owner.map { evidence.owner == $0 } ?? true)
                }
        }
        #expect(found != nil, "\(result)")
        #expect(found?.remedy.command != nil || found?.remedy.advice != nil)
    }

    @Test func `nothing is wrong with two healthy Causeway nodes`() {
        let diagnosis = Checkup().examine(DoctorBed.nodes().patient)

        #expect(diagnosis.findings.isEmpty, "\(diagnosis.text())")
        #expect(diagnosis.isHealthy)
    }

    @Test func `nothing is wrong with a recorded Docker Swarm, and its idle connections are told of`() throws {
        let bed = try DoctorBed.swarm()
        for inventories in [bed.inventories, [bed.inventories[0]], [bed.inventories[1]]] {
            let diagnosis = Checkup().examine(Patient(inventories))

            #expect(diagnosis.isHealthy, "\(diagnosis.text())")
            #expect(diagnosis.findings.map(\.result.check) == ["ipvs-timeouts"])
        }
    }

    @Test func `there is a case for every check`() {
        let tried = Set((DoctorCase.nodes + DoctorCase.swarm).map(\.check))

        #expect(Set(Checkup.all.map(\.name)).subtracting(tried).isEmpty)
        #expect(Checkup.all.count >= 25)
        #expect(Set(Checkup.all.map(\.name)).count == Checkup.all.count)
    }

    @Test func `every check is healthy somewhere`() throws {
        let all = [Checkup().examine(DoctorBed.nodes().patient), Checkup().examine(try DoctorBed.swarm().patient)]
        let healthy = Set(all.flatMap(\.results).filter { $0.outcome == .healthy }.map(\.check))
        // Of the recorded Swarm there is a note on it.
        let expected = Set(Checkup.all.map(\.name)).subtracting(["ipvs-timeouts"])

        #expect(expected.subtracting(healthy) == [])
    }

    // MARK: what is not seen

    @Test(arguments: [
        "ip-forward", "conntrack-full", "neighbor-table-full", "neighbor-failed", "leftover-namespace",
        "route-localnet",
    ])
    func `a fact that an inventory lacks is said to be missing`(check: String) throws {
        var bed = DoctorBed.nodes()
        for host in bed.inventories.indices {
            for at in bed.inventories[host].namespaces.indices {
                bed.inventories[host].namespaces[at].sysctls = [:]
                bed.inventories[host].namespaces[at].unanswered = nil
                bed.inventories[host].namespaces[at].isInhabited = nil
            }
            bed.inventories[host].owners = []
        }
        let result = try #require(bed.examine(check))

        #expect(result.outcome == .notSeen)
        #expect(result.reason?.contains("inventory") == true)
    }

    @Test func `without a daemon its word is missing, not good`() throws {
        var bed = DoctorBed.nodes()
        bed.daemon = nil
        bed.wasAsked = false
        bed.names = nil

        for check in [
            "kernel-differs", "kernel-refuses", "peer-unreachable", "daemon-silent", "names-disagree",
            "checksum-offload",
        ] {
            #expect(try #require(bed.examine(check)).outcome == .notSeen, "\(check)")
        }
    }

    @Test func `a host without services has nothing to be ill with`() {
        let host = Host()
        var inventory = host.inventory
        inventory.namespaces[0].tables = []
        let diagnosis = Checkup().examine(Patient([inventory]))

        #expect(diagnosis.findings.isEmpty, "\(diagnosis.text())")
    }

    @Test func `an inventory without any namespace is no patient, and no crash`() {
        let empty = Inventory(hostname: "", takenAt: Timestamp(seconds: 0), namespaces: [])

        #expect(Checkup().examine(Patient([empty])).findings.isEmpty)
        #expect(Checkup().examine(Patient([])).findings.isEmpty)
    }

    // MARK: how it is said

    @Test func `text keeps within 100 columns but for commands, and is coloured on request alone`() throws {
        let beds =
            try DoctorCase.nodes.map { ($0, DoctorBed.nodes()) } + DoctorCase.swarm.map { ($0, try DoctorBed.swarm()) }
        for (one, healthy) in beds {
            var bed = healthy
            one.plant(&bed)
            let diagnosis = Checkup(only: [one.check]).examine(bed.patient)
            for line in diagnosis.text().split(separator: "\n") where !line.hasPrefix("  do:") {
                #expect(line.count <= 100, "\(line)")
            }
            #expect(!diagnosis.text().contains("\u{1b}"))
            #expect(diagnosis.text(isColoured: true).contains("\u{1b}[1;3"))
        }
    }

    @Test func `names from a file cannot steer the terminal`() {
        var bed = DoctorBed.nodes()
        bed.inventories[0].hostname = "n1\u{1b}[31m"
        bed.daemon?.failures = ["no\u{1b}]0;evil\u{7}"]

        #expect(!Checkup().examine(bed.patient).text().contains("\u{1b}"))
    }

    @Test func `JSON has the check, the object, its namespace and its owner`() throws {
        var bed = DoctorBed.nodes()
        bed.addFilter(IPTables.Chain(name: "FORWARD", policy: "DROP"))
        let data = try JSONEncoder().encode(Checkup().examine(bed.patient))
        let diagnosis = try JSONDecoder().decode(Diagnosis.self, from: data)

        let evidence = try #require(
            diagnosis.results.first { $0.check == "forward-drop" }?.findings.first?.evidence.first)
        #expect(evidence.kind == .chain)
        #expect(evidence.place.kind == .host)
        #expect(evidence.owner == "a bare policy")
    }

    @Test func `the list has all checks, what each looks at and why`() {
        for check in Checkup.all {
            #expect(Checkup.list.contains("\n\(check.name)\n") || Checkup.list.hasPrefix("\(check.name)\n"))
            #expect(!check.threads.isEmpty)
            #expect(check.threads.allSatisfy { $0.link.hasPrefix("https://github.com/") && $0.number > 0 })
            #expect(!check.why.hasSuffix(".") && !check.looksAt.hasSuffix("."))
        }
        #expect(Checkup.list.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test func `the reference page is what the code says`() throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/reference/doctor.md")
        let text = try String(contentsOf: page, encoding: .utf8)

        #expect(
            text.contains(Checkup.reference),
            "write it anew: swift test tells what is to be there\n\(Checkup.reference)")
    }
}
