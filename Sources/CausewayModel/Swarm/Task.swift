extension Swarm {
    /// One run of a service's container.
    ///
    /// A task is never moved or restarted: it is replaced, in its slot.
    package struct Task: Hashable, Codable, Sendable, Identifiable {
        package var id: ID
        package var meta: Meta
        package var serviceID: ID
        /// The service's name and labels when the task was made.
        package var serviceName: String
        package var serviceLabels: [String: String]
        package var spec: TaskSpec
        package var specVersion: Version
        /// From 1 in a replicated service or job; 0 in a global one.
        package var slot: Int
        /// Which run of a job it belongs to.
        package var jobIteration: Version?
        package var nodeID: ID?
        package var desiredState: State
        package var status: Status
        /// Which networks it joins, and with which addresses.
        package var networks: [NetworkAttachment]
        /// Its place on its host's ``Swarm/GatewayNumbers``; absent unless it is on a classic network.
        package var gatewayNumber: UInt32?
        /// The service's ports as they were when the task was made.
        package var ports: [PortConfig]
        /// The task is to stop, and its node is not yet told: others may still send it new connections.
        package var departure: Departure?
        /// For pulling its image: its service's, when the task was made.
        package var pullCredentials: PullCredentials?
        /// Which generic resources of its node it was given.
        package var genericResources: [GenericResource]?
        /// Why its node has to give it up: it ends as rejected, whatever its node says of its end.
        package var rejection: String?
        /// What its node last said of an orphaned task that may still run there; absent once its end was seen.
        ///
        /// Until then it keeps its addresses, and its node, when it comes back, is told to end it.
        package var lastSeen: Status?

        package init(
            id: ID, meta: Meta, service: Service, slot: Int, nodeID: ID? = nil, desiredState: State = .running
        ) {
            self.id = id
            self.meta = meta
            serviceID = service.id
            serviceName = service.spec.name
            serviceLabels = service.spec.labels
            spec = service.spec.taskTemplate
            pullCredentials = service.pullCredentials
            specVersion = service.specVersion
            self.slot = slot
            jobIteration = service.jobStatus?.iteration
            self.nodeID = nodeID
            self.desiredState = desiredState
            status = Status(timestamp: meta.createdAt, state: .new, message: "created")
            networks = []
            ports = service.endpoint.ports
        }

        /// `web.1.TASKID`, or `web.NODEID.TASKID` in a global service.
        package var name: String {
            shownSlot > 0 ? "\(serviceName).\(shownSlot).\(id)" : "\(serviceName).\(nodeID ?? "").\(id)"
        }

        /// The slot as Docker's clients know it: those of a job are counted from 0.
        package var shownSlot: Int { jobIteration == nil ? slot : max(0, slot - 1) }

        /// What is wanted, as Docker's clients know it: of a job's task that it completes.
        package var shownDesiredState: State {
            jobIteration != nil && desiredState == .running ? .complete : desiredState
        }
    }

    /// The way of a task out of every node's maps, before it is stopped.
    package struct Departure: Hashable, Codable, Sendable {
        /// The store's revision from which on it takes no new connections.
        package var revision: UInt64
        package var since: Timestamp

        package init(revision: UInt64, since: Timestamp) {
            self.revision = revision
            self.since = since
        }
    }

    /// An address of a task on a network, for each family that the network has.
    package struct NetworkAttachment: Hashable, Codable, Sendable {
        package var networkID: ID
        package var addresses: [CIDR]
        package var aliases: [String]

        package init(networkID: ID, addresses: [CIDR], aliases: [String] = []) {
            self.networkID = networkID
            self.addresses = addresses
            self.aliases = aliases
        }
    }
}

extension Swarm.Task {
    /// Swarm's task states, with swarmkit's numbers (`api/types.proto`).
    ///
    /// A task's state only rises.
    package enum State: Int, Hashable, Comparable, Sendable, CaseIterable {
        case new = 0
        case pending = 64
        case assigned = 192
        case accepted = 256
        case preparing = 320
        case ready = 384
        case starting = 448
        case running = 512
        case complete = 576
        case shutdown = 640
        case failed = 704
        case rejected = 768
        case remove = 800
        case orphaned = 832

        package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

        /// Whether nothing follows: the container has ended, or never was.
        package var isTerminal: Bool { self > .running }
    }

    /// What was observed of a task.
    package struct Status: Hashable, Codable, Sendable {
        package struct Container: Hashable, Codable, Sendable {
            package var id: String
            package var pid: Int
            package var exitCode: Int

            package init(id: String, pid: Int = 0, exitCode: Int = 0) {
                self.id = id
                self.pid = pid
                self.exitCode = exitCode
            }
        }

        package var timestamp: Timestamp
        package var state: State
        package var message: String
        package var error: String?
        package var container: Container?
        /// It runs, and its health check has failed: its node ends it once nobody sends it new connections.
        package var isUnhealthy: Bool?

        package init(
            timestamp: Timestamp, state: State, message: String, error: String? = nil, container: Container? = nil
        ) {
            self.timestamp = timestamp
            self.state = state
            self.message = message
            self.error = error
            self.container = container
        }

        /// Whether it says more than `old`: states only rise, and within one health only fails.
        package func supersedes(_ old: Self) -> Bool {
            state > old.state || state == old.state && isUnhealthy == true && old.isUnhealthy != true
        }
    }

    /// Whether it is to end as if it had failed: it runs and is not well, or its node does not suit it any more.
    package var isFailing: Bool {
        status.state == .running && status.isUnhealthy == true || !status.state.isTerminal && rejection != nil
    }
}

extension Swarm.Task.State: CodableAsText {
    package var description: String {
        switch self {
        case .new: "new"
        case .pending: "pending"
        case .assigned: "assigned"
        case .accepted: "accepted"
        case .preparing: "preparing"
        case .ready: "ready"
        case .starting: "starting"
        case .running: "running"
        case .complete: "complete"
        case .shutdown: "shutdown"
        case .failed: "failed"
        case .rejected: "rejected"
        case .remove: "remove"
        case .orphaned: "orphaned"
        }
    }

    /// Reads Docker's lower-case word.
    package init?(_ text: String) {
        guard let state = Self.allCases.first(where: { $0.description == text }) else { return nil }
        self = state
    }

    /// Spelt out, because the compiler prefers its own form for an enumeration: `{"running":{}}`.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let state = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a task's state")
        }
        self = state
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
