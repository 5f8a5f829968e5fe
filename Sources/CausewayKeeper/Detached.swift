import Glibc

/// A thread that is waited for by nobody, for calls that block.
enum Detached {
    private final class Body {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// - Throws: when the kernel gives no thread.
    static func start(_ body: @escaping @Sendable () -> Void) throws(KeeperError) {
        let boxed = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, boxed.toOpaque())
        guard failure == 0 else {
            boxed.release()
            throw KeeperError(description: "cannot start a thread: \(String(cString: strerror(failure)))")
        }
        pthread_detach(thread)
    }
}

/// Why a keeper does not do what it is asked.
package struct KeeperError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}
