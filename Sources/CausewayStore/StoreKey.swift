import CausewayModel
import Crypto
import Foundation

/// What secrets and configs are encrypted with on the disk: 256 bits, in a file of its own beside the database.
///
/// AES-GCM with a new nonce for each write. Kind and identifier of the object are authenticated with it, so that one
/// object's content cannot be put into another one's place.
package struct StoreKey: Sendable {
    /// What an encrypted object begins with; another form would have another word.
    private static let mark = Data("CWS1".utf8)

    private let key: SymmetricKey

    /// Draws a new one.
    package init() { key = SymmetricKey(size: .bits256) }

    private init(bytes: Data) { key = SymmetricKey(data: bytes) }

    // MARK: the file

    /// Reads a key's file: one line of base64; `nil`: there is none.
    package static func read(_ path: String) throws(SwarmError) -> StoreKey? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let text = FileManager.default.contents(atPath: path),
            let bytes = Data(base64Encoded: String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }),
            bytes.count == 32
        else {
            throw SwarmError(
                .internal, "\(path) does not hold the store's key (32 bytes in base64): put it back from a backup")
        }
        return StoreKey(bytes: bytes)
    }

    /// Writes the file, root's alone (0600), there either whole or not at all, and on the disk when this returns.
    package func write(_ path: String) throws(SwarmError) {
        let part = "\(path).part"
        let line = key.withUnsafeBytes { Data($0).base64EncodedString() } + "\n"
        try StoreFile.makePrivate(part)
        do {
            let file = try FileHandle(forWritingTo: URL(filePath: part))
            try file.write(contentsOf: Data(line.utf8))
            try file.synchronize()
            try file.close()
        } catch {
            unlink(part)
            throw SwarmError(.internal, "cannot write the store's key to \(part): \(error)")
        }
        guard rename(part, path) == 0 else {
            throw SwarmError(.internal, "cannot make \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// Whether two files hold the same key.
    package func isSame(as other: StoreKey) -> Bool { key == other.key }

    // MARK: objects

    /// `name`: Which object it is, `KIND/ID`.
    func seal(_ plain: Data, as name: String) throws -> Data {
        let box = try AES.GCM.seal(plain, using: key, authenticating: Data(name.utf8))
        guard let combined = box.combined else { throw SwarmError(.internal, "\(name) cannot be encrypted") }
        return Self.mark + combined
    }

    static func open(_ sealed: Data, as name: String, with key: StoreKey?) throws -> Data {
        guard let key else { throw Missing() }
        guard sealed.starts(with: mark) else {
            throw SwarmError(.internal, "it is encrypted in a form that this release does not know")
        }
        do {
            let box = try AES.GCM.SealedBox(combined: sealed.dropFirst(mark.count))
            return try AES.GCM.open(box, using: key.key, authenticating: Data(name.utf8))
        } catch {
            throw SwarmError(
                .internal, "the store's key does not open it: put back the key that belongs to this store")
        }
    }

    private struct Missing: Error, CustomStringConvertible {
        let description = "it is encrypted, and the store's key is not there"
    }

    static func missing(_ path: String) -> SwarmError {
        SwarmError(
            .internal,
            "it holds secrets or configs, and their key \(path) is not there: put it back from a backup; without it "
                + "they cannot be read by anybody")
    }
}
