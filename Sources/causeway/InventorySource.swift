import CausewayKernel
import CausewayLinux
import Foundation

/// Where an inventory comes from: this host's kernel, a file that `causeway snapshot` wrote, or the folder that its
/// recipe wrote.
enum InventorySource {
    /// More than any host has; a larger file is not a snapshot.
    private static let largest = 1 << 29

    private struct Header: Decodable {
        var schema: Int
    }

    /// Reads this host; `lab exec` says what a virtual one is called, and where its namespaces have their names.
    static var reader: InventoryReader {
        let environment = ProcessInfo.processInfo.environment
        guard let name = environment["CAUSEWAY_LAB_HOST"] else { return InventoryReader() }
        let folder = environment["CAUSEWAY_NAMESPACES_DIRECTORY"]
        return InventoryReader(directories: folder.map { [$0] } ?? [], hostname: name, readsUnnamed: false)
    }

    /// Those of all hosts that can be had: from files, else from the daemon, which asks its cluster, else this host's.
    ///
    /// `ask` gives `nil` where there is no cluster to ask.
    static func readAll(
        _ files: [String], ask: () throws -> [Inventory]?
    ) async throws -> [Inventory] {
        guard files.isEmpty else {
            var inventories: [Inventory] = []
            for file in files { inventories.append(try await read(file)) }
            return inventories
        }
        if let inventories = try ask(), !inventories.isEmpty { return inventories }
        return [try await reader.read()]
    }

    static func read(_ file: String?) async throws -> Inventory {
        guard let file else { return try await reader.read() }
        if let files = try RecordingFolder.files(file) { return try inventory(of: files, file) }
        let data = try contents(of: file)
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: data)
        } catch {
            throw Failure(
                what: "'\(file)' is no snapshot", cause: reason(error),
                remedy: "make one with: causeway snapshot -o FILE")
        }
        guard Inventory.readableSchemas.contains(header.schema) else {
            throw Failure(
                what: "'\(file)' is a snapshot of schema \(header.schema)",
                cause: "this causeway reads schemas 1 to \(Inventory.schemaVersion)",
                remedy: "take the snapshot and read it with the same release")
        }
        do {
            return try JSONDecoder().decode(Inventory.self, from: data)
        } catch {
            throw Failure(
                what: "the snapshot '\(file)' is damaged", cause: reason(error), remedy: "take it again")
        }
    }

    private static func inventory(of files: [String: [UInt8]], _ folder: String) throws(Failure) -> Inventory {
        let name = URL(fileURLWithPath: folder).lastPathComponent
        do throws(RecordingError) {
            return try Recording(files: files, fallbackName: name).inventory()
        } catch {
            throw Failure(
                what: "the recording '\(folder)' cannot be read", cause: "\(error)",
                remedy: "record the host again, with the script of: causeway snapshot --recipe")
        }
    }

    private static func contents(of file: String) throws(Failure) -> Data {
        do {
            let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0
            guard size <= largest else {
                throw Failure(
                    what: "'\(file)' is no snapshot", cause: "it has \(size) bytes; the limit is \(largest)", remedy: ""
                )
            }
            return try Data(contentsOf: URL(fileURLWithPath: file))
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(what: "cannot read '\(file)'", cause: error.localizedDescription, remedy: "")
        }
    }

    /// A decoding error on one line, with the place.
    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        let context: DecodingError.Context
        switch error {
        case .dataCorrupted(let found): context = found
        case .keyNotFound(_, let found): context = found
        case .typeMismatch(_, let found): context = found
        case .valueNotFound(_, let found): context = found
        @unknown default: return "\(error)"
        }
        let place = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
        let words =
            context.debugDescription.hasSuffix(".")
            ? String(context.debugDescription.dropLast()) : context.debugDescription
        return place.isEmpty ? words : "\(words) (at \(place))"
    }
}
