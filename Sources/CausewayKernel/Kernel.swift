/// One network namespace's kernel state, as Causeway reads and changes it.
package protocol Kernel: Sendable {
    /// Reads everything Causeway owns in this namespace.
    func observe() async throws(KernelError) -> KernelState

    /// Reads some parts of it, and leaves the others empty.
    func observe(_ parts: KernelParts) async throws(KernelError) -> KernelState

    /// Takes one step. A step that has already been taken is an error, as it is in the kernel.
    func take(_ step: Plan.Step) async throws(KernelError)
}

extension Kernel {
    package func observe(_ parts: KernelParts) async throws(KernelError) -> KernelState {
        try await observe().only(parts)
    }
}

/// A step that the kernel refused: what was tried, what it said, what to do.
package struct KernelError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Reason: String, Hashable, Sendable {
        case alreadyExists = "it exists already"
        case notFound = "it does not exist"
        case notPermitted = "not permitted"
        case unsupported = "unsupported"
        case invalid = "invalid"
        case busy = "busy"
        case noNamespace = "the namespace is gone"
        case other = "refused"
    }

    package var step: String
    package var reason: Reason
    /// The kernel's number; 0 when it did not say one.
    package var errno: Int32
    /// The kernel's own words (extended acknowledgement, libnftables), if any.
    package var detail: String
    package var advice: String

    package init(step: String, reason: Reason, errno: Int32 = 0, detail: String = "", advice: String = "") {
        self.step = step
        self.reason = reason
        self.errno = errno
        self.detail = detail
        self.advice = advice
    }

    package var description: String {
        var text = "cannot \(step): \(reason.rawValue)"
        if errno != 0 { text += " (errno \(errno))" }
        if !detail.isEmpty { text += ": \(detail)" }
        if !advice.isEmpty { text += "; \(advice)" }
        return text
    }
}
