import CLinux
import CausewayKernel
import Foundation
import Glibc

extension NetworkNamespace {
    /// Becomes another program in this namespace, as `ip netns exec` does, with files of its own in some places.
    ///
    /// Returns only when it cannot be done.
    ///
    /// `words` are the program, to be found in PATH, and its arguments; `environment` is what it has beside our own,
    /// where `nil` takes a variable away; `files` is what is to be seen at a path, by the path.
    package func become(
        _ words: [String], environment: [String: String?], files: [String: String]
    ) async -> KernelError {
        do {
            return try await perform { Self.become(words, environment, files) }
        } catch let error as KernelError {
            return error
        } catch {
            return KernelError(step: "enter \(path)", reason: .other, detail: "\(error)")
        }
    }

    /// The calling thread takes the place of the whole process.
    private static func become(
        _ words: [String], _ environment: [String: String?], _ files: [String: String]
    ) -> KernelError {
        let failure = clinux_new_mount_namespace()
        guard failure == 0 else { return KernelError("make a mount namespace", errno: failure) }
        // It shows the links of the namespace in which it was mounted.
        guard mount("sysfs", "/sys", "sysfs", 0, nil) == 0 else { return KernelError("mount /sys", errno: errno) }
        for (target, source) in files.sorted(by: { $0.key < $1.key }) {
            guard mount(source, target, "none", UInt(MS_BIND), nil) == 0 else {
                return KernelError("mount \(source) on \(target)", errno: errno)
            }
        }
        var arguments = words.map { strdup($0) } + [nil]
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            if let value { setenv(name, value, 1) } else { unsetenv(name) }
        }
        execvp(words.first ?? "", &arguments)
        let reason = errno
        for pointer in arguments { free(pointer) }
        return KernelError(
            step: "run '\(words.joined(separator: " "))'", reason: reason == ENOENT ? .notFound : .other, errno: reason,
            advice: reason == ENOENT ? "there is no program '\(words.first ?? "")' in PATH" : "")
    }
}
