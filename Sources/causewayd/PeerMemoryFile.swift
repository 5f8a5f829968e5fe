import CausewayAgent
import Foundation
import Logging

/// What was measured of the peers, on disk: so that a restart loses no packet until it is measured again.
struct PeerMemoryFile: Sendable {
    private let path: String

    init(stateDirectory: String) { path = "\(stateDirectory)/peers.json" }

    /// Nothing when there is none; what cannot be read is measured anew.
    func read(logger: Logger) -> PeerMemory {
        guard let data = FileManager.default.contents(atPath: path) else { return PeerMemory() }
        do {
            return try JSONDecoder().decode(PeerMemory.self, from: data)
        } catch {
            logger.warning("\(path) is not understood, and will be replaced: \(error)")
            return PeerMemory()
        }
    }

    func write(_ memory: PeerMemory) throws {
        try JSONEncoder().encode(memory).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
}
