extension Swarm {
    /// How many tasks a service has, and whether they are to end.
    package enum ServiceMode: Hashable, Sendable {
        case replicated(UInt64)
        case global
        /// So many tasks have to complete, so many of them at a time.
        case replicatedJob(maxConcurrent: UInt64, totalCompletions: UInt64)
        /// A task on each node has to complete.
        case globalJob

        /// Whether its tasks run to completion, once for each iteration.
        package var isJob: Bool {
            switch self {
            case .replicated, .global: false
            case .replicatedJob, .globalJob: true
            }
        }

        /// As Docker's `mode` filter calls it.
        package var word: String {
            switch self {
            case .replicated: "replicated"
            case .global: "global"
            case .replicatedJob: "replicated-job"
            case .globalJob: "global-job"
            }
        }
    }

    /// How often a job was run, and when last.
    package struct JobStatus: Hashable, Codable, Sendable {
        /// Rises with each change of the service; only tasks of this one count.
        package var iteration: Version
        package var lastExecution: Timestamp

        package init(iteration: Version = Version(0), lastExecution: Timestamp) {
            self.iteration = iteration
            self.lastExecution = lastExecution
        }

        enum CodingKeys: String, CodingKey {
            case iteration = "JobIteration"
            case lastExecution = "LastExecution"
        }
    }
}

extension Swarm.ServiceMode: Codable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case replicated = "Replicated"
        case global = "Global"
        case replicatedJob = "ReplicatedJob"
        case globalJob = "GlobalJob"
    }

    private struct Replicated: Codable {
        var replicas: UInt64?
        enum CodingKeys: String, CodingKey { case replicas = "Replicas" }
    }

    private struct ReplicatedJob: Codable {
        var maxConcurrent: UInt64?
        var totalCompletions: UInt64?

        enum CodingKeys: String, CodingKey {
            case maxConcurrent = "MaxConcurrent"
            case totalCompletions = "TotalCompletions"
        }
    }

    private struct Empty: Codable {}

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let given = try CodingKeys.allCases.filter { try values.contains($0) && !values.decodeNil(forKey: $0) }
        guard given.count <= 1 else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(
                    codingPath: decoder.codingPath, debugDescription: "a service has one mode, not \(given.count)"))
        }
        switch given.first ?? .replicated {
        case .replicated:
            self = .replicated(try values.decodeIfPresent(Replicated.self, forKey: .replicated)?.replicas ?? 1)
        case .global: self = .global
        case .replicatedJob:
            let job = try values.decode(ReplicatedJob.self, forKey: .replicatedJob)
            let concurrent = job.maxConcurrent ?? 1
            self = .replicatedJob(maxConcurrent: concurrent, totalCompletions: job.totalCompletions ?? concurrent)
        case .globalJob: self = .globalJob
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .replicated(let count): try values.encode(Replicated(replicas: count), forKey: .replicated)
        case .global: try values.encode(Empty(), forKey: .global)
        case .replicatedJob(let concurrent, let total):
            let job = ReplicatedJob(maxConcurrent: concurrent, totalCompletions: total)
            try values.encode(job, forKey: .replicatedJob)
        case .globalJob: try values.encode(Empty(), forKey: .globalJob)
        }
    }
}
