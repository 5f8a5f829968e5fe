import CausewayModel
import Foundation
import NIOHTTP1
import Testing

@testable import CausewayAPI

/// `X-Registry-Auth` and `registryAuthFrom`: what becomes of them, and that no answer shows them.
@Suite(.serialized) struct CredentialsTests {
    private static let header = Data(#"{"username":"shop","password":"secret"}"#.utf8).base64EncodedString()

    @Test func `a service's credentials reach the manager and are in no answer`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let made = try await house.call(
                "POST", "/v1.50/services/create", Bodies.cliService, headers: ["X-Registry-Auth: \(Self.header)"])
            #expect(made.status == 201, "\(made.message)")
            let service = try #require(await house.control.serviceList.first)
            #expect(service.pullCredentials == Swarm.PullCredentials(header: Self.header))
            for path in ["/services", "/services/web", "/services/web?insertDefaults=true", "/tasks"] {
                #expect(try await house.call("GET", path).body.contains(Self.header) == false, "\(path)")
            }
        }
    }

    @Test(arguments: [
        (nil, "", Swarm.CredentialsChange.keep), (nil, "spec", .keep), (nil, "previous-spec", .previous),
        (CredentialsTests.header, "previous-spec", .set(Swarm.PullCredentials(header: CredentialsTests.header))),
        // What the CLI sends when it is not logged in.
        ("e30=", "", .set(nil)), ("eyJzZXJ2ZXJhZGRyZXNzIjoieCJ9", "", .set(nil)),
    ]) func `an update says which credentials count`(
        _ header: String?, _ source: String, _ expected: Swarm.CredentialsChange
    ) throws {
        let headers = HTTPHeaders(header.map { [("X-Registry-Auth", $0)] } ?? [])
        #expect(try RegistryAuth.change(headers, from: source) == expected)
    }

    @Test func `another source is refused in Docker's words`() {
        let error = #expect(throws: APIError.self) { try RegistryAuth.change([:], from: "elsewhere") }
        #expect(error?.message == "unsupported registryAuthFrom value")
    }
}
