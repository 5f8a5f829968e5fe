/// What Docker Engine answered instead of what was asked of it, or why it did not answer.
package struct EngineError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The HTTP status; 0 when no answer came.
    package var status: Int
    /// Docker Engine's own words, or ours when it did not answer.
    package var message: String

    package init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    package var description: String { message }

    /// Whether Docker Engine did not answer at all.
    package var isUnreachable: Bool { status == 0 }

    /// Whether the thing that was named does not exist.
    package var isNotFound: Bool { status == 404 }

    /// Whether the thing is there already, or in use (409).
    package var isConflict: Bool { status == 409 }

    /// Whether there was nothing to do: already started, already stopped (304).
    package var isNotModified: Bool { status == 304 }
}
