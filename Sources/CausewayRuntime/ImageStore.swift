import CausewayEngine
import CausewayModel
import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// The engine's images: finds the one that a task asks for, and fetches it if it is not there.
///
/// Tasks that wait for the same image with the same credentials share one pull.
actor ImageStore {
    private struct Image: Decodable {
        var id: String
        var digests: [String]?

        enum CodingKeys: String, CodingKey {
            case id = "Id"
            case digests = "RepoDigests"
        }

        func has(_ digest: String) -> Bool { id == digest || (digests ?? []).contains { $0.hasSuffix("@\(digest)") } }
    }

    private struct Pull: Hashable {
        var name: String
        var credentials: Swarm.PullCredentials?
    }

    private let engine: EngineClient
    private let logger: Logger
    /// How long a pull may say nothing before it is given up: a registry may hang for ever.
    private let patience: Duration
    /// Who waits for the pull of an image, beside the one who pulls.
    private var pulls: [Pull: [CheckedContinuation<Result<Void, ContainerError>, Never>]] = [:]

    init(engine: EngineClient, logger: Logger, patience: Duration = .seconds(300)) {
        self.engine = engine
        self.logger = logger
        self.patience = patience
    }

    /// Returns a name under which the engine has the image.
    ///
    /// Refuses with `No such image: NAME`, as Docker does.
    func locate(
        _ name: String, credentials: Swarm.PullCredentials? = nil
    ) async throws(ContainerError) -> String {
        if let local = try await find(name) { return local }
        try await pull(Pull(name: ImageReference(name).pulled, credentials: credentials))
        guard let pulled = try await find(name) else { throw ContainerError(.refused, "No such image: \(name)") }
        return pulled
    }

    /// An image that was loaded, not pulled, has no digest of a registry: then its tag's image counts if it is the one.
    private func find(_ name: String) async throws(ContainerError) -> String? {
        if try await image(name) != nil { return name }
        let reference = ImageReference(name)
        guard let digest = reference.digest, let tagged = try await image(reference.nameAndTag), tagged.has(digest)
        else { return nil }
        return reference.nameAndTag
    }

    private func image(_ name: String) async throws(ContainerError) -> Image? {
        do throws(EngineError) {
            return try await engine.get("/images/\(name)/json")
        } catch {
            guard error.isNotFound else { throw ContainerError(error) }
            return nil
        }
    }

    private func pull(_ wanted: Pull) async throws(ContainerError) {
        guard pulls[wanted] == nil else {
            return try await withCheckedContinuation { pulls[wanted]?.append($0) }.get()
        }
        pulls[wanted] = []
        let result: Result<Void, ContainerError>
        do throws(ContainerError) {
            try await fetch(wanted)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        for waiting in pulls.removeValue(forKey: wanted) ?? [] { waiting.resume(returning: result) }
        try result.get()
    }

    /// A pull that the engine answered, well or not, is over; whether the image is there is for the caller to see.
    private func fetch(_ wanted: Pull) async throws(ContainerError) {
        let name = wanted.name
        logger.info("pulling \(name)")
        do {
            let lastWord = LastWord()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await self.follow(wanted, lastWord)
                }
                group.addTask { [patience] in
                    while true {
                        let deadline = lastWord.time + patience
                        guard deadline > .now else { throw Stalled(patience: patience) }
                        try await Task.sleep(until: deadline)
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch let error as EngineError where !error.isUnreachable {
            logger.warning("cannot pull \(name): \(error)")
        } catch {
            throw ContainerError(.unavailable, "the pull of \(name) broke off: \(error)")
        }
    }

    /// When a pull last said something.
    private final class LastWord: Sendable {
        private let last = Mutex(ContinuousClock.now)
        var time: ContinuousClock.Instant { last.withLock { $0 } }
        func hear() { last.withLock { $0 = .now } }
    }

    private struct Stalled: Error, CustomStringConvertible {
        var patience: Duration
        var description: String { "it has said nothing for \(patience)" }
    }

    private nonisolated func follow(_ wanted: Pull, _ lastWord: LastWord) async throws {
        let headers = wanted.credentials.map { [("X-Registry-Auth", $0.header)] } ?? []
        let progress = try await engine.stream(
            .POST, "/images/create", query: [("fromImage", wanted.name)], headers: headers)
        var lines = JSONLines<PullProgress>()
        for try await chunk in progress {
            lastWord.hear()
            for step in lines.read(chunk) { log(step, of: wanted.name) }
        }
    }

    private nonisolated func log(_ step: PullProgress, of name: String) {
        if let error = step.error { logger.warning("cannot pull \(name): \(error)") }
        // Byte counts come several times a second; only steps without them are news.
        guard let status = step.status, step.progress == nil else { return }
        logger.debug("pulling \(name): \(step.id.map { "\($0): " } ?? "")\(status)")
    }
}

/// One line of a pull's progress.
struct PullProgress: Decodable, Hashable, Sendable {
    var id: String?
    var status: String?
    var progress: String?
    var error: String?
}
