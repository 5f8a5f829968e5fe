import CausewayModel
import Logging

/// Asks the peers' kernels, round after round, and says what follows from their answers.
///
/// Asks nobody as long as there is no peer.
package actor PeerWatch {
    private let prober: any PeerProbing
    private let logger: Logger
    private let remember: @Sendable (PeerMemory) async throws -> Void
    private var table: PeerTable
    private var memory: PeerMemory
    private(set) var view = PeerView()
    /// The newest only; one element or more after each change.
    package nonisolated let views: AsyncStream<PeerView>
    private let told: AsyncStream<PeerView>.Continuation
    private let arrivals: AsyncStream<Void>
    private let arrival: AsyncStream<Void>.Continuation

    /// `remembered` is what an earlier process handed to `remember`.
    package init(
        prober: any PeerProbing, logger: Logger, remembered: PeerMemory = PeerMemory(),
        remember: @escaping @Sendable (PeerMemory) async throws -> Void = { _ in }
    ) {
        self.prober = prober
        self.logger = logger
        self.remember = remember
        memory = remembered
        table = PeerTable(remembered: remembered)
        (views, told) = AsyncStream.makeStream(of: PeerView.self, bufferingPolicy: .bufferingNewest(1))
        (arrivals, arrival) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Says whose kernels to ask from now on, and returns what is known of them.
    package func follow(_ assignment: NodeAssignment) -> PeerView {
        table.follow(assignment)
        view = table.view
        arrival.yield()
        return view
    }

    /// Asks until cancelled.
    package func run() async {
        for await _ in arrivals {
            while !table.isEmpty, !Task.isCancelled {
                let answers = await prober.round(table.probes(), lasting: ProbeTiming.period)
                await take(answers)
            }
        }
    }

    private func take(_ answers: ProbeRound) async {
        for news in table.take(answers) { logger.log(level: news.level, "\(news)") }
        let new = table.view
        guard new != view else { return }
        view = new
        told.yield(new)
        await keep(table.memory)
    }

    private func keep(_ new: PeerMemory) async {
        guard new != memory else { return }
        memory = new
        do {
            try await remember(new)
        } catch {
            logger.error("cannot write down what was measured of the peers", metadata: ["error": "\(error)"])
        }
    }
}
