import CausewayKernel
import CausewayModel
import Testing

@testable import CausewayPath

/// A host with a service of three replicas on port 8080, and a client of it.
func demo() -> Host {
    var host = Host()
    host.addNetwork("10.0.1.0/24")
    host.addTask("web", 1, addresses: ["10.0.0.5", "10.0.1.5"])
    host.addTask("web", 2, addresses: ["10.0.0.6", "10.0.1.6"])
    host.addTask("web", 3, addresses: ["10.0.0.7", "10.0.1.7"])
    host.addTask("client", 1, addresses: ["10.0.1.20"], port: nil)
    host.addTask("other", 1, addresses: ["10.0.2.20"], port: nil)
    host.publish(8080, to: [("10.0.0.5", 80), ("10.0.0.6", 80), ("10.0.0.7", 80)])
    host.addVirtualIP("10.0.1.2", to: ["10.0.1.5", "10.0.1.6", "10.0.1.7"])
    host.addDockerFilter(acceptsMark: true)
    return host
}

extension Inventory {
    func ask(_ question: Question, choice: Int = 0, isReturning: Bool = false) throws -> Trace {
        let tracer = PathTracer(self)
        let answer = try tracer.resolve(question)
        return try tracer.trace(answer.packet, from: answer.entry, choice: choice, isReturning: isReturning)
    }
}

@Suite struct PublishedPortTests {
    @Test func `a published port reaches a task and the reply is un-translated`() throws {
        let trace = try demo().inventory.ask(Question(target: "web:8080"), isReturning: true)

        print(trace)
        print(TextRenderer(isASCII: true).render(trace))
    }
}
