import CausewayModel

extension EngineOwners {
    private struct Version: Decodable {
        var api: String
        enum CodingKeys: String, CodingKey { case api = "ApiVersion" }
    }

    /// What keeps the engine from running tasks; nothing when all is well.
    package func problems(runtime: String) -> [EngineProblem] {
        do throws(Unavailable) {
            let version = try get("/version", as: Version.self)
            return try get("/info", as: EngineInfo.self).problems(apiVersion: version.api, runtime: runtime)
        } catch {
            return [.unreachable(error.description)]
        }
    }
}
