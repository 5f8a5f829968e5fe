import CausewayPath
import Foundation
import Testing

extension Acceptance {
    /// A real Docker Swarm, with no Causeway daemon anywhere; the kernel here has no IPVS.
    @Suite(.serialized) struct DoctorOnSwarm {
        private static let engine = Docker(socket: Cluster.engineSocket)

        @Test func `a plain Docker host is healthy, and a Swarm is told why its published port is dead`() async throws {
            try await Images.make()
            try await Self.engine("run", "--detach", "--name", "ds-plain", "--publish", "8089:80", Images.test)
            do {
                try await Self.expectHealthyDocker()
                try await Self.engine("rm", "--force", "ds-plain")
                try await Self.engine("swarm", "init", "--advertise-addr", Machine.address)
                try await Self.expectDeadSwarm()
            } catch {
                _ = try? await Self.engine("rm", "--force", "ds-plain")
                _ = try? await Self.engine("swarm", "leave", "--force")
                throw error
            }
            try await Self.engine("swarm", "leave", "--force")
        }

        private static func expectHealthyDocker() async throws {
            let answered = try await attempt(at: .outside, "curl", "-sS", "-m", "3", "http://\(Machine.address):8089/")
            #expect(answered.succeeded)
            let (diagnosis, status) = try await diagnose()
            #expect(diagnosis.findings.isEmpty, "\(diagnosis.text())")
            #expect(status == 0)
        }

        private static func expectDeadSwarm() async throws {
            let words = ["service", "create", "--detach", "--quiet", "--no-resolve-image", "--name", "ds-web"]
            try await engine(words + ["--publish", "8080:80", Images.test])
            let containers = try await engine.converged("ds-web", 1)
            #expect(containers.count == 1)
            // The truth first.
            let answered = try await attempt(at: .outside, "curl", "-sS", "-m", "3", "http://\(Machine.address):8080/")
            #expect(!answered.succeeded)

            let (diagnosis, status) = try await diagnose()

            #expect(status == 1)
            let first = try #require(diagnosis.findings.first)
            #expect(first.result.check == "ipvs-missing")
            #expect(
                first.finding.cause
                    == "the kernel has no IPVS: this is why the published port 8080/tcp of service ds-web is dead")
            #expect(first.finding.evidence.first?.place.namespace == "ingress_sbox")
            #expect(first.finding.evidence.first?.owner == "Docker")
            let checks = Set(diagnosis.findings.map(\.result.check))
            #expect(checks.isSuperset(of: ["published-port", "docker-ingress-jump"]))
            // It was made while the machine did not forward yet.
            #expect(checks.contains("sandbox-forward"))
            #expect(
                checks.isSubset(of: ["ipvs-missing", "published-port", "docker-ingress-jump", "sandbox-forward"]),
                "\(diagnosis.text())")
        }

        private static func diagnose() async throws -> (Diagnosis, Int32) {
            let said = try await Command([Machine.executable("causeway"), "doctor", "--format", "json"]).attempt()
            do {
                return (try JSONDecoder().decode(Diagnosis.self, from: Data(said.out.utf8)), said.status)
            } catch {
                throw Command.Failure(said: said)
            }
        }
    }
}
