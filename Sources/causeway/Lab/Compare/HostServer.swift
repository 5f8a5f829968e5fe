import CausewayKernel
import Foundation

/// The image's own program as a process of a node, in the node's network namespace: what every way is measured beside.
///
/// A container of the engine that is placed there by `causeway-oci`.
struct HostServer {
    /// Set to the lab's folder, so that `lab down` finds what was left.
    static let label = "io.causeway.lab.server"

    private let engine: LabDocker
    private let id: String
    private let place: String

    init(_ image: String, on host: LabTopology.Host, _ folder: LabFolder, _ record: LabRecord) throws {
        engine = LabDocker(record.engineSocket)
        id = try engine(
            "create", "--runtime", "causeway", "--network", "none", "--label", "\(Self.label)=\(folder.path)", image)
        place = "\(record.placesDirectory)/\(id)"
        do {
            try FileManager.default.createDirectory(
                atPath: record.placesDirectory, withIntermediateDirectories: true)
            try Data("/run/netns/\(host.namespace)".utf8).write(to: URL(filePath: place), options: .atomic)
            try engine("start", id)
        } catch {
            remove()
            throw error
        }
    }

    func remove() {
        do { try engine("rm", "--force", "--volumes", id) } catch { Console.note("\(error)") }
        // Not there if its writing failed.
        guard FileManager.default.fileExists(atPath: place) else { return }
        do { try FileManager.default.removeItem(atPath: place) } catch {
            Console.note("cannot remove \(place): \(error)")
        }
    }
}
