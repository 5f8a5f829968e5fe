/// Lets so many calls through at once, and the others in the order in which they came.
actor CallGate {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ limit: Int) { free = limit }

    func enter() async {
        guard free == 0 else {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    func leave() {
        // The place is handed on, so that nobody can slip in between.
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

extension CallGate {
    nonisolated func through<Result: Sendable, Failure: Error>(
        _ call: @Sendable () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        await enter()
        do throws(Failure) {
            let result = try await call()
            await leave()
            return result
        } catch {
            await leave()
            throw error
        }
    }
}
