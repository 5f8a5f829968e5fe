import CLinux
import CausewayKernel
import CausewayModel
import Glibc

extension Preflight {
    /// Tries everything in a namespace that nobody else sees, and that is gone afterwards.
    package static func kernel() async -> Preflight {
        do throws(KernelError) {
            return try await NetworkNamespace.host.performStep { () throws(KernelError) in
                // This thread goes into a namespace of its own, which ends with it.
                let failure = clinux_new_network_namespace()
                guard failure == 0 else { throw KernelError("make a network namespace", errno: failure) }
                return Preflight(
                    [present(namespaces)] + Trial.all.map { $0.result() } + [CgroupProgram.result()])
            }
        } catch {
            var result = present(namespaces)
            result.missing = error.words
            result.remedy = error.advice
            return Preflight([result])
        }
    }

    /// Tries only what Swarm's own data path needs; `nil` when nothing is missing.
    package static func missingForClassic() async -> String? {
        do throws(KernelError) {
            return try await NetworkNamespace.host.performStep { () throws(KernelError) in
                let failure = clinux_new_network_namespace()
                guard failure == 0 else { throw KernelError("make a network namespace", errno: failure) }
                return Preflight(Trial.classic.map { $0.result() }).missingForClassic
            }
        } catch {
            return error.description
        }
    }

    private static let namespaces = "network namespaces"

    private static func present(_ name: String) -> Result {
        Result(name: name, missing: nil, disables: "everything", remedy: "", isEssential: true)
    }
}

extension KernelError {
    /// What the kernel said, without the step.
    var words: String {
        reason.rawValue + (errno == 0 ? "" : " (errno \(errno))") + (detail.isEmpty ? "" : ": \(detail)")
    }
}

/// One thing to try in the calling thread's namespace.
struct Trial: Sendable {
    let name: String
    let disables: String
    let remedy: String
    let isEssential: Bool
    let body: @Sendable () throws(KernelError) -> Void

    init(
        _ name: String, disables: String, remedy: String, isEssential: Bool = true,
        _ body: @escaping @Sendable () throws(KernelError) -> Void
    ) {
        self.name = name
        self.disables = disables
        self.remedy = remedy
        self.isEssential = isEssential
        self.body = body
    }

    func result() -> Preflight.Result {
        var result = Preflight.Result(
            name: name, missing: nil, disables: disables, remedy: "", isEssential: isEssential)
        do throws(KernelError) {
            try body()
        } catch {
            result.missing = error.words
            // A privilege that is missing is missed by all of them, and has one remedy.
            result.remedy = error.reason == .notPermitted ? error.advice : remedy
        }
        return result
    }

    /// In this order: later ones stand on the link that the first one makes.
    static var all: [Trial] { links + tables + sockets + classic }
}
