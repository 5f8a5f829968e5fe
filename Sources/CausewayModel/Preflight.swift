/// What a node needs of its kernel and of Docker Engine: each thing was tried, never a version looked at.
package struct Preflight: Hashable, Codable, Sendable {
    package struct Result: Hashable, Codable, Sendable {
        /// What was tried, by the field's words.
        package var name: String
        /// What went wrong, in the kernel's or the engine's words; `nil` when it is there.
        package var missing: String?
        /// What does not work without it.
        package var disables: String
        /// What to do; empty when it is there.
        package var remedy: String
        /// Whether nothing works without it.
        package var isEssential: Bool

        package var isPresent: Bool { missing == nil }

        package init(name: String, missing: String?, disables: String, remedy: String, isEssential: Bool) {
            self.name = name
            self.missing = missing
            self.disables = disables
            self.remedy = remedy
            self.isEssential = isEssential
        }
    }

    package var results: [Result]

    package init(_ results: [Result]) { self.results = results }

    /// What keeps this host from being a node.
    package var obstacles: [Result] { results.filter { !$0.isPresent && $0.isEssential } }

    /// What trials say that are needed by Swarm's own data path alone.
    package static let classic = "networks with causeway.datapath=classic; those of 'direct' need none of it"

    /// Why there can be no network with Swarm's own data path, and what to do; `nil` when nothing is missing.
    package var missingForClassic: String? {
        let missing = results.filter { !$0.isPresent && $0.disables == Self.classic }
        return missing.isEmpty
            ? nil : missing.map { "\($0.name): \($0.missing ?? ""); \($0.remedy)" }.joined(separator: "\n")
    }

    /// What is missing without being an obstacle.
    package var shortcomings: [Result] { results.filter { !$0.isPresent && !$0.isEssential } }
}

extension Preflight.Result: CustomStringConvertible {
    /// One sentence: what is missing, why, what that disables, what to do.
    package var description: String {
        guard let missing else { return "\(name): present" }
        return "\(name): \(missing); without it: \(disables)" + (remedy.isEmpty ? "" : "; \(remedy)")
    }
}

extension Preflight {
    /// For people: a line for each thing, and more for what is missing.
    package var text: String {
        let width = results.map(\.name.count).max() ?? 0
        let lines = results.flatMap { result -> [String] in
            let name = result.name + String(repeating: " ", count: width - result.name.count)
            guard let missing = result.missing else { return ["\(name)  present"] }
            return ["\(name)  MISSING\(result.isEssential ? ", essential" : ""): \(missing)"]
                + ["disables: \(result.disables)", "remedy: \(result.remedy)"].filter { !$0.hasSuffix(": ") }
                .map { String(repeating: " ", count: width + 4) + $0 }
        }
        let count = results.count { !$0.isPresent }
        let end = count == 0 ? "nothing is missing" : "\(count) missing, \(obstacles.count) of them essential"
        return (lines + ["", end]).joined(separator: "\n") + "\n"
    }
}

extension Preflight {
    /// What is needed of Docker Engine, from what was found wrong with it.
    package static func engine(_ problems: [EngineProblem]) -> Preflight {
        func result(_ name: String, _ isConcerned: (EngineProblem) -> Bool) -> Result {
            Result(
                name: name, missing: problems.first(where: isConcerned)?.description, disables: "every task",
                remedy: "", isEssential: true)
        }
        let answers = result("Docker Engine answers") { if case .unreachable = $0 { true } else { false } }
        // Of one that does not answer nothing else is known.
        guard answers.isPresent else { return Preflight([answers]) }
        return Preflight([
            answers,
            result("Docker Engine speaks API 1.41") { if case .tooOld = $0 { true } else { false } },
            result("Docker Engine is in no swarm of its own") { if case .inSwarm = $0 { true } else { false } },
            result("OCI runtime causeway") { if case .runtimeMissing = $0 { true } else { false } },
            result("containers in the host's user namespace") { $0 == .usernsRemap },
            result("an engine that runs as root") { $0 == .rootless },
        ])
    }
}
