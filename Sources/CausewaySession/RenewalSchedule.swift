import CausewayModel

/// When a certificate is to be renewed: well before its end, and not all nodes at once.
package struct RenewalSchedule: Hashable, Sendable {
    /// Between half and four fifths of the certificate's life, as in swarmkit.
    package let due: Timestamp
    private let notAfter: Timestamp

    /// `chance` is drawn once for each certificate, from 0 to 1.
    package init(issuedAt: Timestamp, notAfter: Timestamp, chance: Double) {
        let life = Double(max(0, notAfter.since(issuedAt).rawValue))
        due = issuedAt.advanced(by: Nanoseconds(Int64(life * (0.5 + 0.3 * min(max(chance, 0), 1)))))
        self.notAfter = notAfter
    }

    /// How long to wait from now on before looking again; `nil`: renew now.
    ///
    /// Never more than an hour: a clock may be set in the meantime.
    package func wait(at now: Timestamp) -> Nanoseconds? {
        let left = due.since(now)
        return left > .zero ? min(left, .seconds(3600)) : nil
    }

    /// How long to wait after an attempt that failed: a twentieth of what is left, at least a second.
    package func retry(at now: Timestamp) -> Nanoseconds {
        min(max(Nanoseconds(notAfter.since(now).rawValue / 20), .seconds(1)), .seconds(3600))
    }
}
