import CausewayModel
import Foundation

/// Where this node said that it can be reached, when it joined; kept beside its credentials.
struct MemberFile: Sendable {
    struct Content: Codable, Sendable {
        var address: IPAddress
        /// Absent: ``address``.
        var dataAddress: IPAddress?
        var listenAddress: String
    }

    let path: String

    init(stateDirectory: String) { path = "\(stateDirectory)/member.json" }

    func read() throws(SwarmError) -> Content? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        do {
            return try JSONDecoder().decode(Content.self, from: data)
        } catch {
            throw SwarmError(.internal, "cannot read \(path): \(error); leave the swarm and join anew")
        }
    }

    func write(_ content: Content) throws(SwarmError) {
        do {
            try JSONEncoder().encode(content).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw SwarmError(.internal, "cannot write \(path): \(error)")
        }
    }

    func remove() throws(SwarmError) {
        guard FileManager.default.fileExists(atPath: path) else { return }
        do { try FileManager.default.removeItem(atPath: path) } catch {
            throw SwarmError(.internal, "cannot remove \(path): \(error)")
        }
    }
}
