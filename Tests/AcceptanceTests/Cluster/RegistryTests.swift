import Foundation
import Testing

extension Acceptance.InLab {
    /// Images of a registry that wants a password: credentials go with the service to the node that pulls.
    @Suite(.serialized, .nodes(2)) struct Registries {
        private static let engine = Docker(socket: Cluster.engineSocket)
        private static let onWorker = ["--constraint", "node.hostname==n2"]

        @Test func `an image is pinned by its digest and pulled on the node with the service's credentials`()
            async throws
        {
            try await Registry.with {
                try await Self.push(["app:1", "app:2"])
                let refused = try await lab.manager.attempt(
                    ["service", "create", "--detach", "--name", "rg-none"] + Self.onWorker
                        + ["\(Registry.address)/app:1"])
                // Docker's own word where the registry says no to who asks for the digest.
                #expect(refused.err.contains("could not be accessed on a registry"), "\(refused.all)")
                try await eventually("the task to have no image") {
                    try await lab.manager.tasks("rg-none").contains { $0.error.contains("No such image") } ? true : nil
                }
                try await lab.manager("service", "rm", "rg-none")

                try await Self.login(lab.manager)
                try await lab.withService(
                    "rg-app", options: Self.onWorker + ["--with-registry-auth"],
                    command: ["\(Registry.address)/app:1", "sleep", "1000"]
                ) { places in
                    #expect(places.map(\.node) == ["n2"])
                    let format = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
                    let image = try await lab.manager("service", "inspect", "--format", format, "rg-app").trimmed
                    try #require(image.hasPrefix("\(Registry.address)/app:1@sha256:"), "\(image)")
                    let digests = try await Self.engine(
                        "image", "inspect", "--format", "{{.RepoDigests}}", image)
                    #expect(digests.out.contains(image.split(separator: "@")[1]), "\(digests.out)")

                    // Without the flag it keeps what it has.
                    try await lab.manager(
                        "service", "update", "--detach", "--no-resolve-image", "--image", "\(Registry.address)/app:2",
                        "rg-app")
                    try await eventually("app:2 to run") {
                        try await lab.manager.tasks("rg-app", running: true)
                            .contains { $0.image.hasSuffix("app:2") && $0.current.hasPrefix("Running") } ? true : nil
                    }
                    try await Self.expectHidden()
                }
                try await lab.manager("logout", Registry.address)
                try await Self.removeImages(["app:1", "app:2"])
            }
        }

        @Test func `credentials can be those of the specification before, and other sources are refused`() async throws
        {
            try await lab.withService("rg-from", command: [Images.test, "sleep", "1000"]) { _ in
                let inspected = try await lab.manager("service", "inspect", "rg-from").out
                struct Shown: Decodable {
                    struct Version: Decodable { var Index: Int }
                    var Version: Version
                }
                let shown = try #require(try JSONDecoder().decode([Shown].self, from: Data(inspected.utf8)).first)
                let body = """
                    {"Name":"rg-from","TaskTemplate":{"ContainerSpec":{"Image":"\(Images.test)","Args":["sleep","1000"]}}}
                    """
                let path = "/services/rg-from/update?version=\(shown.Version.Index)&registryAuthFrom="
                let bogus = try await lab.manager.raw("POST", path + "bogus", body: body)
                #expect(bogus.message == "unsupported registryAuthFrom value", "\(bogus)")
                let none = try await lab.manager.raw("POST", path + "previous-spec", body: body)
                #expect(none.message == "service does not have a previous spec", "\(none)")
            }
        }

        /// Nothing shows the credentials: no answer, no log, no note of a node's that others may read.
        private static func expectHidden() async throws {
            let secrets = [Registry.header, Registry.password]
            for path in ["/services", "/services/rg-app", "/tasks", "/events?since=1&until=1"] {
                let said = try await lab.manager.raw("GET", path)
                #expect(said.status == 200)
                for secret in secrets { #expect(!said.body.contains(secret), "\(path)") }
            }
            for node in ["n1", "n2"] {
                let log = lab.lines(node).joined(separator: "\n")
                for secret in secrets { #expect(!log.contains(secret), "the log of \(node)") }
            }
        }

        private static func login(_ docker: Docker) async throws {
            try await docker("login", "--username", Registry.user, "--password", Registry.password, Registry.address)
        }

        /// Puts the tests' image there under some names, each with a digest of its own, and forgets it here.
        private static func push(_ names: [String]) async throws {
            try await login(engine)
            for name in names {
                let full = "\(Registry.address)/\(name)"
                let container = "rg-make-\(name.replacing(":", with: "-"))"
                try await engine("create", "--name", container, Images.test)
                try await engine("commit", "--change", "LABEL name=\(name)", container, full)
                try await engine("rm", container)
                try await engine("push", "--quiet", full)
            }
            try await engine("logout", Registry.address)
            try await removeImages(names)
        }

        private static func removeImages(_ names: [String]) async throws {
            for name in names { _ = try await engine.attempt("rmi", "--force", "\(Registry.address)/\(name)") }
        }
    }
}
