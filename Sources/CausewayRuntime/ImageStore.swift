import CausewayEngine
import CausewayModel
import FoundationEssentials
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// The engine's images: finds the one that a task asks for, and fetches it if it is not there.
///
/// Tasks that wait for the same image share one pull.
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

    private let engine: EngineClient
    private let logger: Logger
    /// How long a pull may say nothing before it is given up: a registry may hang for ever.
    private let patience: Duration
    /// Who waits for the pull of an image, beside the one who pulls.
    private var pulls: [String: [CheckedContinuation<Result<Void, ContainerError>, Never>]] = [:]

    init(engine: EngineClient, logger: Logger, patience: Duration = .seconds(300)) {
        self.engine = engine
        self.logger = logger
        self.patience = patience
    }

    /// Returns a name under which the engine has the image.
    ///
    /// Refuses with `No such image: NAME`, as Docker does.
    func locate(_ name: String) async throws(ContainerError) -> String {
        if let local = try await find(name) { return local }
        try await pull(ImageReference(name).pulled)
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

    private func pull(_ name: String) async throws(ContainerError) {
        guard pulls[name] == nil else {
            return try await withCheckedContinuation { pulls[name]?.append($0) }.get()
        }
        pulls[name] = []
        let result: Result<Void, ContainerError>
        do throws(ContainerError) {
            try await fetch(name)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        for waiting in pulls.removeValue(forKey: name) ?? [] { waiting.resume(returning: result) }
        try result.get()
    }

    /// A pull that the engine answered, well or not, is over; whether the image is there is for the caller to see.
    private func fetch(_ name: String) async throws(ContainerError) {
        logger.info("pulling \(name)")
        do {
            let lastWord = LastWord()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await self.follow(name, lastWord)
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

    private nonisolated func follow(_ name: String, _ lastWord: LastWord) async throws {
        let progress = try await engine.stream(.POST, "/images/create", query: [("fromImage", name)])
        var lines = JSONLines<PullProgress>()
        for try await chunk in progress {
            lastWord.hear()
            for step in lines.read(chunk) { log(step, of: name) }
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
