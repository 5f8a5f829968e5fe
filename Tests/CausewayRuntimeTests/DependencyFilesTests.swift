import CausewayModel
import Foundation
import Testing

@testable import CausewayRuntime

@Suite struct `Files of secrets and configs` {
    private static let template = """
        {"ContainerSpec":{"Image":"i",
          "Secrets":[{"SecretID":"s1","SecretName":"db","File":{"Name":"password","UID":"33","GID":"34","Mode":256}},
            {"SecretID":"s1","SecretName":"db","File":{"Name":"/etc/db","UID":"","Mode":292}}],
          "Configs":[{"ConfigID":"c1","ConfigName":"web","File":{"Name":"etc/web.conf","UID":"0","GID":"0","Mode":292}}]}}
        """

    private static let given: [Swarm.AssignedDependency] = [
        .init(id: "c1", kind: .config, payload: .init("listen 80")),
        .init(id: "s1", kind: .secret, payload: .init("pw")),
    ]

    @Test func `are where the specification says, with owner and mode`() throws {
        let task = try Swarm.Task.sample("t1", Self.template)

        let found = try TaskDependencies.resolved(task, Self.given, nodeHostname: "alpha")

        #expect(
            found == [
                .init(path: "/run/secrets/password", payload: .init("pw"), uid: 33, gid: 34, mode: 0o400),
                .init(path: "/etc/db", payload: .init("pw"), uid: 0, gid: 0, mode: 0o444),
                .init(path: "/etc/web.conf", payload: .init("listen 80"), uid: 0, gid: 0, mode: 0o444),
            ])
        let mounts = DependencyFiles(folder: "/m").mounts(of: found, task: "t1")
        #expect(mounts.map(\.source) == ["/m/t1/0", "/m/t1/1", "/m/t1/2"])
        #expect(mounts.map(\.target) == found.map(\.path))
        #expect(mounts.allSatisfy { $0.readOnly == true && $0.type == "bind" })
    }

    @Test func `are waited for when they have not come`() throws {
        let task = try Swarm.Task.sample("t1", Self.template)

        #expect(
            throws: ContainerError(.unavailable, "config 'web' has not come from the manager yet")
        ) { try TaskDependencies.resolved(task, [Self.given[1]], nodeHostname: "alpha") }
    }

    @Test(.enabled(if: geteuid() == 0, "files are given to other users"))
    func `are written for their owner alone, again without harm, and removed with their task`() throws {
        let folder = "\(FileManager.default.temporaryDirectory.path)/dependencies-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let files = DependencyFiles(folder: folder)
        let big = Data((0..<500_000).map { UInt8(truncatingIfNeeded: $0) })
        let dependency = TaskDependency(
            path: "/run/secrets/x", payload: .init(big), uid: 33, gid: 34, mode: 0o440)

        for _ in 0..<2 { try files.write([dependency], of: "t1") }
        try files.write([dependency], of: "t2")

        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/t1/0")
        #expect(attributes[.posixPermissions] as? Int == 0o440)
        #expect(attributes[.ownerAccountID] as? Int == 33 && attributes[.groupOwnerAccountID] as? Int == 34)
        #expect(try Data(contentsOf: URL(filePath: "\(folder)/t1/0")) == big)
        for task in ["t1", "t2"] {
            let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(task)")[.posixPermissions] as? Int
            #expect(mode == 0o700)
        }

        try files.keep(of: ["t2"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["t2"])
        #expect(throws: ContainerError.self) { try files.write([dependency], of: "../etc") }
    }
}
