import CausewayModel
import Foundation
import SwiftASN1
import X509

/// What makes this host a member of its cluster: its key, its certificate, the root that it trusts, and where the
/// managers are.
///
/// One file, so that its parts always fit together; readable by root only.
package struct NodeCredentials: Hashable, Codable, Sendable {
    /// PEM; made here.
    package var key: String
    /// PEM.
    package var certificate: String
    /// PEM.
    package var root: String
    /// When the certificate came, by this host's clock.
    package var issuedAt: Timestamp
    /// `ADDRESS:PORT` of each, the one that let the node in first.
    package var managers: [String]

    package init(key: String, certificate: String, root: String, issuedAt: Timestamp, managers: [String]) {
        self.key = key
        self.certificate = certificate
        self.root = root
        self.issuedAt = issuedAt
        self.managers = managers
    }

    /// Who this node is; refuses a certificate that cannot be read or that is not of the root beside it.
    ///
    /// One that has expired is read all the same: what is to be done about it is not decided here.
    package func identity() throws(SwarmError) -> NodeCertificate {
        do {
            let trust = try ClusterTrust(root: root)
            let own = try Certificate(pemEncoded: certificate)
            return try trust.member(own, at: Timestamp(own.notValidAfter))
        } catch {
            throw SwarmError(.internal, "this node's certificate cannot be used: \(error)")
        }
    }

    static func path(in folder: String) -> String { "\(folder)/node-credentials.json" }

    /// What the state folder holds; `nil`: this host is no member of a cluster.
    package static func read(in folder: String) throws(SwarmError) -> NodeCredentials? {
        guard let data = try PrivateFile.read(path(in: folder)) else { return nil }
        do {
            return try JSONDecoder().decode(NodeCredentials.self, from: data)
        } catch {
            throw SwarmError(
                .internal,
                "\(path(in: folder)) does not hold a node's credentials: \(error); leave the swarm and join anew")
        }
    }

    package func write(in folder: String) throws(SwarmError) {
        do {
            try PrivateFile.write(try JSONEncoder().encode(self), to: Self.path(in: folder))
        } catch let error as SwarmError {
            throw error
        } catch {
            throw SwarmError(.internal, "cannot write this node's credentials: \(error)")
        }
    }

    /// Forgets all that the state folder holds of the cluster: the credentials, and the last assignment.
    ///
    /// `memory`: Where the assignment's secrets and configs are.
    package static func remove(in folder: String, memory: String? = nil) throws(SwarmError) {
        try PrivateFile.remove(path(in: folder))
        try PrivateFile.remove(KeptAssignment.path(in: folder))
        if let memory { try PrivateFile.remove(KeptAssignment.path(in: memory)) }
    }
}

/// The assignment that this node heard last: what it goes on with when it starts and no manager is there.
///
/// Secrets and configs are kept apart, in a folder in memory: they outlive the daemon, and never lie on a disk. After a
/// reboot they come with the next session.
package enum KeptAssignment {
    static func path(in folder: String) -> String { "\(folder)/assignment.json" }

    /// What a manager that locks keeps of its own node's, whole: in memory alone, because it is not encrypted.
    private static func ownPath(in memory: String) -> String { "\(memory)/manager-assignment.json" }

    package static func readOwn(in memory: String) throws(SwarmError) -> NodeAssignment? {
        try read(NodeAssignment.self, ownPath(in: memory))
    }

    package static func writeOwn(_ assignment: NodeAssignment, in memory: String) throws {
        try PrivateFile.write(try JSONEncoder().encode(assignment), to: ownPath(in: memory))
    }

    package static func removeOwn(in memory: String) throws(SwarmError) {
        try PrivateFile.remove(ownPath(in: memory))
    }

    package static func read(in folder: String, memory: String? = nil) throws(SwarmError) -> NodeAssignment? {
        guard var kept = try read(NodeAssignment.self, path(in: folder)) else { return nil }
        kept.dependencies = try memory.flatMap { memory throws(SwarmError) in
            try read([Swarm.AssignedDependency].self, path(in: memory))
        }
        return kept
    }

    private static func read<Kept: Decodable>(_ type: Kept.Type, _ path: String) throws(SwarmError) -> Kept? {
        guard let data = try PrivateFile.read(path) else { return nil }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch {
            throw SwarmError(.internal, "\(path) does not hold an assignment: \(error)")
        }
    }

    /// `memory`: Where secrets and configs are kept; `nil`: nowhere.
    package static func write(_ assignment: NodeAssignment, in folder: String, memory: String? = nil) throws {
        var plain = assignment
        plain.dependencies = nil
        // First what the rest is nothing without.
        if let memory, let dependencies = assignment.dependencies {
            try PrivateFile.write(try JSONEncoder().encode(dependencies), to: path(in: memory))
        }
        try PrivateFile.write(try JSONEncoder().encode(plain), to: path(in: folder))
        if let memory, assignment.dependencies == nil { try PrivateFile.remove(path(in: memory)) }
    }
}
