/// Swarm's objects, by Docker's names.
///
/// Their `Codable` form is the Engine API's JSON (https://docs.docker.com/reference/api/engine/), field for field,
/// so that a stored object, an answer of the API and Docker's own documentation speak one language.
package enum Swarm {
    /// An object's identifier: 25 characters of `[0-9a-z]`.
    package typealias ID = String

    /// How often an object was written.
    ///
    /// A writer must name the version that it has read.
    package struct Version: Hashable, Comparable, Codable, Sendable {
        package var index: UInt64

        package init(_ index: UInt64) { self.index = index }

        package static func < (a: Self, b: Self) -> Bool { a.index < b.index }

        enum CodingKeys: String, CodingKey { case index = "Index" }
    }

    /// What every stored object has.
    package struct Meta: Hashable, Codable, Sendable {
        package var version: Version
        package var createdAt: Timestamp
        package var updatedAt: Timestamp

        package init(version: Version = Version(0), createdAt: Timestamp, updatedAt: Timestamp) {
            self.version = version
            self.createdAt = createdAt
            self.updatedAt = updatedAt
        }

        enum CodingKeys: String, CodingKey {
            case version = "Version"
            case createdAt = "CreatedAt"
            case updatedAt = "UpdatedAt"
        }
    }
}
