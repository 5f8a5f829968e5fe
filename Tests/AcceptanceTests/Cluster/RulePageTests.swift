import Foundation
import Testing

extension Acceptance.OnLab {
    /// What the documents say of the rules, against the kernel's.
    @Suite(.serialized) struct Rules {
        private static let page = "docs/reference/rules-of-direct.md"
        private static let reasons = "docs/dataplane/direct.reasons"

        private static let preface = """
            # The rules of `direct`, and why each is there

            Made from a live node's kernel (`nft list ruleset` on a node with peers, and in a task) and from
            [direct.reasons](../dataplane/direct.reasons); a test compares the page with the kernel. What the chains do together is in
            [direct.md](../dataplane/direct.md). Counts are left out, and the elements of sets and maps, which are the cluster's
            services. `fd..` is the cluster's own IPv6 prefix.

            On your node: `nft list table inet causeway`; in a task, `ip netns exec NAME nft list ruleset`.

            """

        /// With CAUSEWAY_WRITE_DOCS set, the page is written first.
        @Test func `the page of rules is what the kernel has, with a reason for each`() async throws {
            try await Lab.with { lab in
                try await lab.service("rp-web", replicas: 4, "--publish", "8080:80")
                let (task, _) = try await Mesh.task("rp-web.1", lab)
                let node = try await Command(lab.at("n1").wrap(["nft", "list", "table", "inet", "causeway"])).run()
                let inTask = try await Command(task.wrap(["nft", "list", "ruleset"])).run()
                let chains = RulePage.chains(node.out) + RulePage.chains(inTask.out)

                var page = RulePage(reasons: try Self.read(Self.reasons))
                let text = page.render(chains, preface: Self.preface)
                if ProcessInfo.processInfo.environment["CAUSEWAY_WRITE_DOCS"] != nil {
                    try text.write(to: Machine.root.appending(path: Self.page), atomically: true, encoding: .utf8)
                }

                #expect(page.missing.isEmpty, "without a reason in \(Self.reasons): \(page.missing)")
                #expect(page.unused.isEmpty, "reasons of no rule in \(Self.reasons): \(page.unused)")
                let differences = text.split(separator: "\n").difference(
                    from: try Self.read(Self.page).split(separator: "\n"))
                #expect(
                    differences.isEmpty,
                    "\(Self.page) is not what the kernel has; CAUSEWAY_WRITE_DOCS=1 writes it anew: \(differences)")
            }
        }

        private static func read(_ path: String) throws -> String {
            try String(contentsOf: Machine.root.appending(path: path), encoding: .utf8)
        }
    }
}
