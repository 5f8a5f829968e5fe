import CausewayKernel
import Foundation

/// Takes a recording's files from the disk: a known number of small ones.
enum RecordingFolder {
    /// More than any host's listing has.
    private static let largestFile = 64 << 20
    private static let largestFolder = 512 << 20
    private static let mostFiles = 200_000

    /// The folder's files by their path in it; `nil` when it is no folder.
    static func files(_ path: String) throws(Failure) -> [String: [UInt8]]? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            return nil
        }
        let names = try names(in: path)
        guard Recording.isRecording(names) else {
            throw Failure(
                what: "the folder '\(path)' is no recording of a host",
                cause: "it has neither \(Recording.index) nor link.json",
                remedy: "give the folder of one host; make one with: causeway snapshot --recipe")
        }
        var files: [String: [UInt8]] = [:]
        var total = 0
        for name in names {
            let file = path + "/" + name
            let attributes = try? FileManager.default.attributesOfItem(atPath: file)
            // No link is followed: it may lead out of the folder.
            guard let attributes, attributes[.type] as? FileAttributeType == .typeRegular else { continue }
            let size = attributes[.size] as? Int ?? 0
            total += size
            guard size <= largestFile, total <= largestFolder else {
                throw Failure(
                    what: "the recording '\(path)' is too large",
                    cause: "\(name) has \(size) bytes; the limit is \(largestFile), and \(largestFolder) for all",
                    remedy: "")
            }
            guard let data = FileManager.default.contents(atPath: file) else {
                throw Failure(what: "cannot read '\(file)'", cause: "it is there, but not for this user", remedy: "")
            }
            files[name] = Array(data)
        }
        return files
    }

    /// The folder's own files, and those one folder further down: a recording has no others.
    private static func names(in path: String) throws(Failure) -> [String] {
        var names: [String] = []
        do {
            for entry in try FileManager.default.contentsOfDirectory(atPath: path) {
                let inner = (try? FileManager.default.contentsOfDirectory(atPath: path + "/" + entry)) ?? []
                names += inner.isEmpty ? [entry] : inner.map { entry + "/" + $0 }
                guard names.count <= mostFiles else {
                    throw Failure(
                        what: "the folder '\(path)' is no recording of a host",
                        cause: "it has more than \(mostFiles) files", remedy: "")
                }
            }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(what: "cannot read '\(path)'", cause: error.localizedDescription, remedy: "")
        }
        return names
    }
}
