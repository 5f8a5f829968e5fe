import CausewayPath
import CausewayTestKit
import CausewayTrace

extension RealSwarm {
    /// Asks as the command line does, and sends such packets.
    func trace(_ target: String, from: String, at host: String?, count: Int) async throws -> TraceRun.Result {
        let tracer = try PathTracer(try inventories(), at: host)
        let answer = try tracer.resolve(Question(target: target, from: from))
        let subject = TraceRun.Subject(tracer, answer.packet, from: answer.entry)
        return try await TraceRun(
            subject, count: count, directories: try directories, patience: .milliseconds(1500)
        ).send()
    }
}
