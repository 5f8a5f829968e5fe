import CausewayModel

/// What is read of `GET /containers/{id}/json`.
struct ContainerDetail: Decodable, Sendable {
    struct State: Decodable, Sendable {
        var status: String
        var pid: Int
        var exitCode: Int
        var error: String?
        var startedAt: String?
        var finishedAt: String?
        var health: Health?

        /// One that waits to be restarted is none of these.
        static let running: Set<String> = ["running", "paused"]
        var isRunning: Bool { Self.running.contains(status) }

        enum CodingKeys: String, CodingKey {
            case status = "Status"
            case pid = "Pid"
            case exitCode = "ExitCode"
            case error = "Error"
            case startedAt = "StartedAt"
            case finishedAt = "FinishedAt"
            case health = "Health"
        }
    }

    struct Health: Decodable, Sendable {
        var status: String
        var failingStreak: Int?

        enum CodingKeys: String, CodingKey {
            case status = "Status"
            case failingStreak = "FailingStreak"
        }
    }

    struct Config: Decodable, Sendable {
        var labels: [String: String]?
        var hostname: String?
        var healthcheck: Swarm.HealthConfig?

        enum CodingKeys: String, CodingKey {
            case labels = "Labels"
            case hostname = "Hostname"
            case healthcheck = "Healthcheck"
        }
    }

    var id: String
    var state: State
    var config: Config

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case state = "State"
        case config = "Config"
    }
}

/// What is read of an element of `GET /containers/json`.
struct ContainerSummary: Decodable, Sendable {
    var id: String
    var state: String
    /// In words: `Up 22 seconds (healthy)`.
    var status: String?
    /// The first is its own, with a slash before it; links may give it more.
    var names: [String]?
    var labels: [String: String]?

    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case state = "State"
        case status = "Status"
        case names = "Names"
        case labels = "Labels"
    }
}

extension ObservedContainer {
    init(_ summary: ContainerSummary) {
        self.init(id: summary.id, labels: summary.labels ?? [:], state: State(docker: summary.state))
        health = summary.status.flatMap(Health.init(words:))
    }

    init(_ detail: ContainerDetail) {
        self.init(id: detail.id, labels: detail.config.labels ?? [:], state: State(docker: detail.state.status))
        pid = detail.state.pid
        exitCode = detail.state.exitCode
        error = detail.state.error ?? ""
        startedAt = Self.moment(detail.state.startedAt)
        finishedAt = Self.moment(detail.state.finishedAt)
        health = Health(detail)
    }

    private init(id: String, labels: [String: String], state: State) {
        self.init(
            id: id, taskID: labels[ContainerCreation.Label.taskID] ?? "",
            nodeID: labels[ContainerCreation.Label.nodeID] ?? "", state: state)
    }

    private static func moment(_ text: String?) -> Timestamp? {
        text.flatMap(Timestamp.init).flatMap { $0 == .zero ? nil : $0 }
    }
}

extension ObservedContainer.State {
    /// A paused container runs, as far as a task is concerned; one that is being removed is half gone.
    init(docker status: String) {
        switch status {
        case "created": self = .created
        case "running", "paused", "restarting": self = .running
        case "exited": self = .exited
        default: self = .dead
        }
    }
}

extension ObservedContainer.Health {
    /// Reads the end of what the engine's list says of a container.
    init?(words: String) {
        let all: [(String, Self)] = [
            ("(health: starting)", .starting), ("(healthy)", .healthy), ("(unhealthy)", .unhealthy),
        ]
        guard let health = all.first(where: { words.hasSuffix($0.0) })?.1 else { return nil }
        self = health
    }

    /// Docker Engine calls every container unhealthy that has ended (moby, container/health.go); the failures that it
    /// counted in a row tell those that were.
    init?(_ detail: ContainerDetail) {
        guard let health = detail.state.health, let found = Self(rawValue: health.status) else { return nil }
        guard !detail.state.isRunning, found == .unhealthy else {
            self = found
            return
        }
        let limit = detail.config.healthcheck?.retries.flatMap { $0 > 0 ? $0 : nil } ?? 3
        self = (health.failingStreak ?? 0) >= limit ? .unhealthy : .healthy
    }
}
