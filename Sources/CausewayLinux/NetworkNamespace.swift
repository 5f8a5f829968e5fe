import CLinux
import CausewayKernel
import Foundation
import Glibc

/// A network namespace, and the one safe way into it.
///
/// Entering a namespace changes the calling thread, and a Swift task may resume on another thread after any `await`.
/// So `body` is synchronous and runs on a thread of its own, which ends with it. What it opens — a socket, say —
/// stays in the namespace for good and may travel.
///
/// A namespace is held by its path alone, so that nobody keeps one alive that was deleted.
package struct NetworkNamespace: Hashable, Sendable, CustomStringConvertible {
    /// What setns(2) is given: a file of nsfs.
    package let path: String

    package init(path: String) { self.path = path }

    /// One that has a name in a directory: in the usual one, ip-netns(8) lists it.
    package init(name: String, in directory: String = Self.directory) {
        path = name.hasPrefix("/") ? name : "\(directory)/\(name)"
    }

    /// The one this process was started in. (Its first thread never enters another.)
    package static let host = NetworkNamespace(path: "/proc/self/ns/net")

    /// The calling thread's.
    ///
    /// Only this thread may use it: its path means another one elsewhere.
    package static var current: NetworkNamespace { NetworkNamespace(path: "/proc/thread-self/ns/net") }

    package var description: String { path }

    /// Its number in nsfs.
    package var inode: UInt64 {
        get throws(KernelError) {
            var status = stat()
            guard stat(path, &status) == 0 else { throw Self.entering(path, errno: errno) }
            return UInt64(status.st_ino)
        }
    }

    // MARK: entering

    /// Runs `body` in the namespace, on a thread of its own, and returns what it returns.
    package func perform<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await result(body).get()
    }

    /// The same for bodies that throw the kernel's errors and no other.
    package func performStep<R: Sendable>(
        _ body: @escaping @Sendable () throws(KernelError) -> R
    ) async throws(KernelError) -> R {
        try await result(body).get()
    }

    private func result<R: Sendable, E: Error>(
        _ body: @escaping @Sendable () throws(E) -> R
    ) async throws(KernelError) -> Result<R, E> {
        let outcome: Result<Result<R, E>, KernelError> = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                do throws(KernelError) {
                    try enter()
                } catch {
                    return continuation.resume(returning: .failure(error))
                }
                continuation.resume(returning: .success(Result { () throws(E) -> R in try body() }))
            }
        }
        return try outcome.get()
    }

    /// Moves the calling thread for good.
    ///
    /// Only for a thread that was made for it.
    private func enter() throws(KernelError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.entering(path, errno: errno) }
        defer { close(descriptor) }
        var (there, here) = (stat(), stat())
        // Being there already needs no privilege.
        if fstat(descriptor, &there) == 0, stat(Self.current.path, &here) == 0, there.st_ino == here.st_ino,
            there.st_dev == here.st_dev
        {
            return
        }
        let failure = clinux_enter_network_namespace(descriptor)
        guard failure == 0 else { throw Self.entering(path, errno: failure) }
    }

    private static func entering(_ path: String, errno: Int32) -> KernelError {
        var error = KernelError("enter namespace \(path)", errno: errno)
        // A name without a namespace behind it is an empty file: setns(2) takes it for no namespace at all.
        if errno == ENOENT || errno == EINVAL {
            error.reason = .noNamespace
            error.advice = "it is made again on the next round; 'ip netns' lists those there are"
        }
        return error
    }
}
