/// Waits for what takes a lab its time.
enum LabWait {
    /// Looks again and again until nothing is in the way.
    ///
    /// - Throws: what was in the way at the last look, when the time is over; at once what a look throws.
    static func until(
        within patience: Duration, every pause: Duration, _ obstacle: () async throws -> Failure?
    ) async throws {
        let deadline = ContinuousClock.now + patience
        while let failure = try await obstacle() {
            guard ContinuousClock.now < deadline else { throw failure }
            try await Task.sleep(for: pause)
        }
    }
}
