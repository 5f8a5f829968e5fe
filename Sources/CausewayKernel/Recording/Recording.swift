import CausewayModel

/// A host as a folder of what ordinary programs print, one folder for each namespace; no kernel is asked.
///
/// `causeway snapshot --recipe` prints the script that writes one. A file that is absent is one whose program printed
/// nothing, or was not there.
package struct Recording: Sendable {
    /// By path within the folder: `root/link.json`.
    package let files: [String: [UInt8]]
    /// What the host is called where nothing in the folder says it.
    package let fallbackName: String

    /// Within the folder: the namespaces, each with its name and its folder.
    package static let index = "namespaces.txt"

    package init(files: [String: [UInt8]], fallbackName: String) {
        self.files = files
        self.fallbackName = fallbackName
    }

    /// Whether these are a recording's files: a list of namespaces, or one namespace's links.
    package static func isRecording(_ names: some Sequence<String>) -> Bool {
        names.contains { $0 == index || $0 == "link.json" }
    }

    /// Everything that the folder tells of.
    package func inventory() throws(RecordingError) -> Inventory {
        let places = try places()
        let numbers = Dictionary(places.map { ($0.name, $0.inode) }) { first, _ in first }
        var gaps: [String] = []
        var states: [NamespaceState] = []
        for place in places {
            var reader = NamespaceRecording(place: place, numbers: numbers, files: self)
            states.append(try reader.read())
            gaps += reader.gaps.map { "namespace \(place.name): \($0)" }
        }
        PeerResolution(places: places).resolve(&states)
        let engine = try EngineRecording(self).read(numbers)
        return Inventory(
            hostname: name(places, engine.hostname), machine: text("boot-id.txt")?.trimmed,
            takenAt: Timestamp(seconds: text("taken.txt").flatMap { Int64($0.trimmed) } ?? 0), namespaces: states,
            owners: engine.owners, engine: engine.state, gaps: gaps + engine.gaps)
    }

    private func name(_ places: [Place], _ engineName: String?) -> String {
        places.first?.host ?? text("hostname.txt")?.trimmed ?? engineName ?? fallbackName
    }

    // MARK: files

    /// Whether the kernel has IPVS: a recipe always asks for it; `nil` where nobody may have asked.
    var hasIPVS: Bool? {
        if files.keys.contains(where: { $0.hasSuffix("/proc-ip_vs.txt") || $0.hasSuffix("/ipvsadm-S.txt") }) {
            return true
        }
        return files["taken.txt"] == nil ? nil : false
    }

    func text(_ path: String) -> String? { files[path].map { String(decoding: $0, as: UTF8.self) } }

    /// `nil` for a file that is absent or empty.
    func json(_ path: String) throws(RecordingError) -> JSONValue? {
        guard let bytes = files[path], bytes.contains(where: { !Self.isSpace($0) }) else { return nil }
        do throws(Nft.ReadError) {
            return try JSONParser.parse(bytes)
        } catch {
            throw RecordingError(file: path, why: "\(error.why) at byte \(error.offset)")
        }
    }

    /// What `ip -j` prints: a list of objects.
    func list(_ path: String) throws(RecordingError) -> [JSONValue] {
        guard let value = try json(path) else { return [] }
        guard let items = value.array else { throw RecordingError(file: path, why: "no list") }
        return items
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    // MARK: namespaces

    struct Place: Hashable, Sendable {
        /// `host`, or the name under which the namespace is mounted.
        var name: String
        var path: String
        /// The folder with its files; empty for the recording itself.
        var folder: String
        var inode: UInt64
        var host: String?

        func file(_ name: String) -> String { folder.isEmpty ? name : folder + "/" + name }
    }

    private static let mostNamespaces = 10_000

    /// The host's own first; those that ordinary tools do not list are Docker's.
    private func places() throws(RecordingError) -> [Place] {
        guard let text = text(Self.index) else {
            guard files["link.json"] != nil else {
                throw RecordingError(file: Self.index, why: "the file is missing, so this is no recording of a host")
            }
            return [try place(["root", ""], number: 1)]
        }
        let lines = text.split(whereSeparator: \.isNewline).map { $0.split(separator: " ").map(String.init) }
            .filter { !$0.isEmpty }
        guard lines.count <= Self.mostNamespaces else {
            throw RecordingError(
                file: Self.index, why: "\(lines.count) namespaces; the limit is \(Self.mostNamespaces)")
        }
        var places: [Place] = []
        for (number, words) in lines.enumerated() {
            guard words.count >= 2 else {
                throw RecordingError(
                    file: Self.index, why: "line \(number + 1) has no folder: a name and a folder are asked for")
            }
            places.append(try place(words, number: UInt64(number) + 1))
        }
        guard let host = places.firstIndex(where: { $0.name == "host" }) else {
            throw RecordingError(file: Self.index, why: "no line 'root FOLDER', which is the host's own namespace")
        }
        places.swapAt(0, host)
        return [places[0]] + places.dropFirst().sorted { ($0.name, $0.inode) < ($1.name, $1.inode) }
    }

    /// `NAME FOLDER`, and the path where it is mounted if that is not Docker's.
    private func place(_ words: [String], number: UInt64) throws(RecordingError) -> Place {
        let isHost = words[0] == "root"
        var place = Place(
            name: isHost ? "host" : words[0],
            path: words.count > 2 ? words[2] : isHost ? "/proc/1/ns/net" : "/run/docker/netns/\(words[0])",
            folder: words[1], inode: number)
        guard files[place.file("link.json")] != nil else {
            throw RecordingError(
                file: place.file("link.json"),
                why: "the file is missing, so nothing is known of the namespace \(words[0])")
        }
        let meta = try json(place.file("meta.json"))
        place.inode = meta?["inode"]?.unsigned ?? number
        place.host = meta?["host"]?.string
        return place
    }
}

/// Why a recording could not be read, and in which of its files.
package struct RecordingError: Error, Hashable, Sendable, CustomStringConvertible {
    package var file: String
    package var why: String

    package var description: String { "\(file): \(why)" }
}

extension StringProtocol {
    /// Without white space at both ends.
    var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
