import CausewayKernel
import CausewayModel

@testable import CausewayPath

/// A host with a service of three replicas on port 8080, a client on its network, and a task on another one.
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
    /// Asks as the command line does.
    func ask(_ question: Question, choice: Int = 0, isReturning: Bool = false) throws -> Trace {
        let tracer = PathTracer(self)
        let answer = try tracer.resolve(question)
        return try tracer.trace(answer.packet, from: answer.entry, choice: choice, isReturning: isReturning)
    }

    /// Sends a TCP packet in by a link of the host's.
    func send(
        _ source: String, _ destination: String, _ port: UInt16, by link: String = "eth0", mark: UInt32 = 0
    ) throws -> Trace {
        let packet = Packet(.tcp, from: IPAddress(source)!, 40_000, to: IPAddress(destination)!, port, mark: mark)
        return try PathTracer(self).trace(packet, from: .link(namespace: 1, name: link), isReturning: true)
    }
}
