extension Task where Success == Never, Failure == Never {
    /// Waits, and says whether it did.
    ///
    /// A sleep that is cut short was cancelled; there is no other reason, and a loop asks for nothing more.
    package static func pause(for duration: Duration) async -> Bool {
        do {
            try await sleep(for: duration)
            return true
        } catch {
            return false
        }
    }
}
