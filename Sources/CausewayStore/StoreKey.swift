import CausewayModel
import Crypto
import Foundation

/// What secrets and configs, and everything in a store that locks, are encrypted with on the disk: 256 bits.
///
/// AES-GCM with a new nonce for each write. Kind and identifier of the object are authenticated with it, so that one
/// object's content cannot be put into another one's place.
package struct StoreKey: Equatable, Sendable, Concealed {
    /// Bytes of a key.
    static let size = 32

    /// What an encrypted object begins with; another form would have another word, and JSON has a brace.
    private static let mark = Data("CWS1".utf8)

    private let key: SymmetricKey

    /// Draws a new one.
    package init() { key = SymmetricKey(size: .bits256) }

    init(bytes: Data) { key = SymmetricKey(data: bytes) }

    var bytes: Data { key.withUnsafeBytes { Data($0) } }

    package var description: String { "(a store's key)" }

    static func isSealed(_ data: Data) -> Bool { data.starts(with: mark) }

    /// `name`: Which object it is, `KIND/ID`.
    func seal(_ plain: Data, as name: String) throws -> Data {
        let box = try AES.GCM.seal(plain, using: key, authenticating: Data(name.utf8))
        guard let combined = box.combined else { throw SwarmError(.internal, "\(name) cannot be encrypted") }
        return Self.mark + combined
    }

    /// `ring`: The keys that it may be encrypted with: more than one while one takes another's place.
    static func open(_ sealed: Data, as name: String, with ring: [StoreKey]) throws -> Data {
        guard !ring.isEmpty else { throw Missing() }
        guard isSealed(sealed) else {
            throw SwarmError(.internal, "it is encrypted in a form that this release does not know")
        }
        let box = try AES.GCM.SealedBox(combined: sealed.dropFirst(mark.count))
        for key in ring {
            // That one does not open it is for the next to mend.
            if let plain = try? AES.GCM.open(box, using: key.key, authenticating: Data(name.utf8)) { return plain }
        }
        throw SwarmError(.internal, "the store's key does not open it: put back the key that belongs to this store")
    }

    private struct Missing: Error, CustomStringConvertible {
        let description = "it is encrypted, and the store's key is not there"
    }

    static func missing(_ path: String) -> SwarmError {
        SwarmError(
            .internal,
            "it is encrypted as a whole or in part, and its key \(path) is not there: put it back from a backup; "
                + "without it nobody can read it")
    }
}
