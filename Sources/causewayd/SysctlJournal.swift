import CausewayKernel
import CausewayLinux
import Foundation

/// What the host's sysctls were before we first set them, on disk: so that leaving the swarm, even much later and by
/// another process, puts them back.
struct SysctlJournal: Sendable {
    let path: String

    /// Notes the present value of each name that is not noted yet; none where there is no such setting, as of a link
    /// that is still to be made.
    func record(_ names: [String]) throws(KernelError) {
        var values = try read()
        let new = names.filter { !values.keys.contains($0) }
        for name in new { values.updateValue(try Sysctl.read(name), forKey: name) }
        if !new.isEmpty { try write(values) }
    }

    /// The names noted.
    func names() throws(KernelError) -> [String] { try read().keys.sorted() }

    /// Puts every value back, and forgets it.
    func restore() throws(KernelError) {
        let values = try read()
        guard !values.isEmpty else { return }
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            // A link that is gone took its settings with it.
            guard let value, try Sysctl.read(name) != nil else { continue }
            try Sysctl.write(name, value)
        }
        try write([:])
    }

    private func read() throws(KernelError) -> [String: String?] {
        guard let data = FileManager.default.contents(atPath: path) else { return [:] }
        do {
            return try JSONDecoder().decode([String: String?].self, from: data)
        } catch {
            throw failure("read", error)
        }
    }

    private func write(_ values: [String: String?]) throws(KernelError) {
        do {
            try JSONEncoder().encode(values).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw failure("write", error)
        }
    }

    private func failure(_ verb: String, _ error: any Error) -> KernelError {
        KernelError(
            step: "\(verb) \(path)", reason: .other, detail: "\(error)",
            advice: "the file holds the sysctls to restore; mend or remove it")
    }
}
