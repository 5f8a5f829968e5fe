import CausewayEngine
import CausewayModel

extension DockerRuntime {
    /// What keeps tasks from running here; nothing when all is well.
    package func preflight() async -> [EngineProblem] {
        do throws(EngineError) {
            let version = try await engine.engineVersion()
            let info: EngineInfo = try await engine.get("/info")
            return info.problems(apiVersion: "\(version)", runtime: runtimeName)
        } catch {
            return [.unreachable(error.message)]
        }
    }
}
