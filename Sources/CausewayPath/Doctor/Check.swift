/// One thing that can be wrong with a host's network.
///
/// Decides from a ``Patient`` alone; a fact that the patient does not have is said, never guessed.
package protocol Check: Sendable {
    /// What `--list`, `--only`, JSON and the reference know it by: `ip-forward`.
    var name: String { get }
    var looksAt: String { get }
    /// One sentence without a stop: what users see when it is wrong.
    var why: String { get }
    /// Threads in which users suffer from it.
    var threads: [Discussion] { get }

    func examine(_ patient: Patient) -> Examination
}

/// A public thread: `moby#25526`.
package struct Discussion: Hashable, Sendable, CustomStringConvertible {
    package var repository: String
    package var number: Int

    package static func moby(_ number: Int) -> Discussion { Discussion(repository: "moby/moby", number: number) }

    package var link: String { "https://github.com/\(repository)/issues/\(number)" }

    package var description: String {
        "\(repository.split(separator: "/").last.map(String.init) ?? repository)#\(number)"
    }
}

/// What a check came to.
package enum Examination: Hashable, Sendable {
    case healthy
    case found([Finding])
    /// A fact is missing: which, and why.
    case notSeen(String)
    /// There is nothing here that the check is about.
    case irrelevant(String)

    static func of(_ findings: [Finding]) -> Examination { findings.isEmpty ? .healthy : .found(findings) }
}

/// Something that is wrong: the cause, what shows it, and what to do.
package struct Finding: Hashable, Codable, Sendable {
    package enum Grade: String, Hashable, Codable, Sendable, CaseIterable {
        /// Packets are lost now.
        case fault
        /// They will be, or somebody gets in who should not.
        case risk
        /// Good to know; nothing is wrong.
        case note
    }

    package var grade: Grade
    /// The cause, in one sentence without a stop.
    package var cause: String
    package var evidence: [Evidence]
    package var remedy: Remedy

    init(_ grade: Grade, _ cause: String, _ evidence: [Evidence], remedy: Remedy) {
        self.grade = grade
        self.cause = cause
        self.evidence = evidence
        self.remedy = remedy
    }
}

/// The very thing that shows it.
package struct Evidence: Hashable, Codable, Sendable {
    package enum Kind: String, Hashable, Codable, Sendable {
        case sysctl, rule, chain, link, address, route, neighbor, forwarding, balancer, socket, namespace, path
        case answer, plan
    }

    package var kind: Kind
    /// As the tool that shows it prints it, about.
    package var object: String
    /// The namespace, by the name its user knows.
    package var place: Place
    /// Whose it is: Docker, ufw, Causeway, a service; absent where nothing tells.
    package var owner: String?

    init(_ kind: Kind, _ object: String, at place: Place, owner: String? = nil) {
        self.kind = kind
        self.object = object
        self.place = place
        self.owner = owner
    }
}

/// What to do.
package struct Remedy: Hashable, Codable, Sendable {
    /// A command as it can be typed; absent where there is none.
    package var command: String?
    /// A sentence without a stop.
    package var advice: String?

    static func run(_ command: String, _ advice: String? = nil) -> Remedy { Remedy(command: command, advice: advice) }

    static func advice(_ text: String) -> Remedy { Remedy(command: nil, advice: text) }
}
