import CLinux

/// Opening sockets in another network namespace, for a program of one thread.
package enum NamespaceVisit {
    /// Runs `body` in the namespace behind `path`, on a thread of its own, and waits for it.
    ///
    /// What it opens stays in that namespace whoever uses it later.
    ///
    /// - Throws: when the namespace cannot be entered.
    package static func perform<R>(_ path: String, _ body: () -> R) throws(SocketError) -> R {
        var result: R?
        let failure = withoutActuallyEscaping(body) { body in
            var run: () -> Void = { result = body() }
            return withUnsafeMutablePointer(to: &run) { pointer in
                clinux_in_network_namespace(path, { $0?.assumingMemoryBound(to: (() -> Void).self).pointee() }, pointer)
            }
        }
        guard failure == 0, let result else { throw SocketError(doing: "enter namespace \(path)", errno: failure) }
        return result
    }
}
