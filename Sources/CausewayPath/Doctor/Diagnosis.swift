import CausewayKernel

/// What all checks came to.
package struct Diagnosis: Hashable, Codable, Sendable {
    package var hosts: [String]
    /// In the order of ``Checkup/all``.
    package var results: [Result]
    /// What the inventories themselves say they could not read.
    package var gaps: [String]

    package struct Result: Hashable, Codable, Sendable {
        package enum Outcome: String, Hashable, Codable, Sendable { case healthy, found, notSeen, irrelevant }

        package var check: String
        package var outcome: Outcome
        /// The worst first.
        package var findings: [Finding]
        /// Why it is not seen, or what is not here.
        package var reason: String?
        package var why: String
        package var links: [String]

        init(_ check: any Check, _ examination: Examination) {
            self.check = check.name
            why = check.why
            links = check.threads.map(\.link)
            switch examination {
            case .healthy: (outcome, findings, reason) = (.healthy, [], nil)
            case .found(let found): (outcome, findings, reason) = (.found, Self.sorted(found), nil)
            case .notSeen(let why): (outcome, findings, reason) = (.notSeen, [], why)
            case .irrelevant(let why): (outcome, findings, reason) = (.irrelevant, [], why)
            }
        }

        private static func sorted(_ findings: [Finding]) -> [Finding] {
            Finding.Grade.allCases.flatMap { grade in findings.filter { $0.grade == grade } }
        }
    }

    /// With the check that found it; the worst first.
    package var findings: [(result: Result, finding: Finding)] {
        Finding.Grade.allCases.flatMap { grade in
            results.flatMap { result in result.findings.filter { $0.grade == grade }.map { (result, $0) } }
        }
    }

    /// Whether anything is wrong: notes are not.
    package var isHealthy: Bool { findings.allSatisfy { $0.finding.grade == .note } }
}

/// All checks, one after the other.
package struct Checkup: Sendable {
    private let checks: [any Check]

    /// `names`: these alone; empty for all.
    package init(only names: [String] = []) {
        checks = names.isEmpty ? Self.all : Self.all.filter { names.contains($0.name) }
    }

    package func examine(_ patient: Patient) -> Diagnosis {
        Diagnosis(
            hosts: patient.world.hosts.map(\.name),
            results: checks.map { Diagnosis.Result($0, $0.examine(patient)) },
            gaps: patient.inventories.flatMap { one in
                one.gaps.map { patient.inventories.count > 1 ? "\(one.hostname): \($0)" : $0 }
            })
    }
}
