import CausewayModel
import Crypto
import Foundation

/// What is in the file of the store's key.
package enum StoreKeyFile: Equatable, Sendable {
    /// One line of base64: the key itself.
    case open(StoreKey)
    /// One line that says so, and one for each unlock key that opens it: the store's keys, encrypted with that one.
    case locked([Data])

    private static let head = "causeway store key, locked 1"

    /// What the encrypted keys are authenticated with.
    private static let purpose = Data("causeway store key".utf8)

    /// The keys of a store, encrypted for each unlock key; the first of `ring` is the one in use.
    package static func locked(_ ring: [StoreKey], by unlockKeys: [Swarm.UnlockKey]) throws(SwarmError) -> Self {
        var lines: [Data] = []
        for unlockKey in unlockKeys {
            do {
                let box = try AES.GCM.seal(
                    ring.reduce(into: Data()) { $0 += $1.bytes }, using: SymmetricKey(data: unlockKey.bytes),
                    authenticating: purpose)
                guard let combined = box.combined else { throw SwarmError(.internal, "no nonce of the usual size") }
                lines.append(combined)
            } catch {
                throw SwarmError(.internal, "the store's key cannot be encrypted: \(error)")
            }
        }
        return .locked(lines)
    }

    /// The store's keys, and which of the lines the unlock key opens.
    ///
    /// - Throws: `unauthorized` when it opens none.
    package func unlocked(by unlockKey: Swarm.UnlockKey) throws(SwarmError) -> (ring: [StoreKey], lines: [Bool]) {
        guard case .locked(let lines) = self else { throw .notLocked }
        guard unlockKey.bytes.count == Swarm.UnlockKey.size else { throw .wrongUnlockKey }
        let key = SymmetricKey(data: unlockKey.bytes)
        let opened = lines.map { line in
            // That it does not open is the answer, not a failure.
            try? AES.GCM.open(try AES.GCM.SealedBox(combined: line), using: key, authenticating: Self.purpose)
        }
        guard let bytes = opened.compactMap(\.self).first, bytes.count >= StoreKey.size,
            bytes.count.isMultiple(of: StoreKey.size)
        else { throw .wrongUnlockKey }
        let ring = stride(from: 0, to: bytes.count, by: StoreKey.size).map { at in
            StoreKey(bytes: Data(bytes.dropFirst(at).prefix(StoreKey.size)))
        }
        return (ring, opened.map { $0 != nil })
    }

    // MARK: on the disk

    /// `nil`: there is none.
    package static func read(_ path: String) throws(SwarmError) -> StoreKeyFile? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path),
            let file = StoreKeyFile(String(decoding: data, as: UTF8.self))
        else {
            throw SwarmError(
                .internal,
                "\(path) does not hold the store's key (32 bytes in base64, or what an unlock key opens): put it back "
                    + "from a backup")
        }
        return file
    }

    /// Writes the file, root's alone (0600), there either whole or not at all, and on the disk when this returns.
    package func write(_ path: String) throws(SwarmError) {
        let part = "\(path).part"
        try StoreFile.makePrivate(part)
        do {
            let file = try FileHandle(forWritingTo: URL(filePath: part))
            try file.write(contentsOf: Data(text.utf8))
            try file.synchronize()
            try file.close()
        } catch {
            unlink(part)
            throw SwarmError(.internal, "cannot write the store's key to \(part): \(error)")
        }
        guard rename(part, path) == 0 else {
            throw SwarmError(.internal, "cannot make \(path): \(String(cString: strerror(errno)))")
        }
        try Self.synchronize(folder: (path as NSString).deletingLastPathComponent)
    }

    /// A new name is on the disk when its folder is.
    private static func synchronize(folder: String) throws(SwarmError) {
        let folder = folder.isEmpty ? "." : folder
        let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw SwarmError(.internal, "cannot open \(folder): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw SwarmError(
                .internal, "cannot bring \(folder) to the disk: \(String(cString: strerror(errno)))")
        }
    }

    private var text: String {
        switch self {
        case .open(let key): key.bytes.base64EncodedString() + "\n"
        case .locked(let lines): ([Self.head] + lines.map { $0.base64EncodedString() }).joined(separator: "\n") + "\n"
        }
    }

    private init?(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isWhitespace || $0 == " " } }
        if lines.first == Self.head {
            let sealed = lines.dropFirst().compactMap { Data(base64Encoded: $0) }
            guard !sealed.isEmpty, sealed.count == lines.count - 1 else { return nil }
            self = .locked(sealed)
        } else {
            guard let bytes = Data(base64Encoded: text.filter { !$0.isWhitespace }), bytes.count == StoreKey.size
            else { return nil }
            self = .open(StoreKey(bytes: bytes))
        }
    }
}
