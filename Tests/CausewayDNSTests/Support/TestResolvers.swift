import CausewayDNS
import CausewayModel
import CausewaySockets
import Foundation
import Synchronization

/// Resolvers on a loop with a thread of its own, for tests that ask from others.
final class TestResolvers: Sendable {
    private let thread = LoopThread()
    private let box = Mutex<Carried<ResolverSet>?>(nil)

    init(limits: DNSLimits = DNSLimits(), upstreamPort: UInt16 = 53) async {
        await thread.perform { loop in
            let set = Carried(ResolverSet(loop: loop, limits: limits, upstreamPort: upstreamPort))
            self.box.withLock { $0 = set }
        }
    }

    private func perform<R: Sendable>(_ body: @escaping @Sendable (ResolverSet) -> R) async -> R {
        let set = box.withLock { $0! }
        return await thread.perform { _ in body(set.value) }
    }

    var tasks: Set<Swarm.ID> { get async { await perform { $0.tasks } } }

    var counters: [Swarm.ID: DNSCounters] { get async { await perform { $0.counters } } }

    func serve(_ task: Swarm.ID, udp: CInt, tcp: CInt, table: NameTable) async {
        await perform { $0.serve(task, DNSSockets(udp: udp, tcp: tcp), PreparedNames(table)) }
    }

    func update(_ task: Swarm.ID, _ table: NameTable) async -> Bool {
        await perform { $0.update(task, PreparedNames(table)) }
    }

    func stop(_ task: Swarm.ID) async { await perform { $0.stop(task) } }

    func stopAll() async {
        await perform { set in for task in set.tasks { set.stop(task) } }
        await thread.end()
    }
}

/// What only one thread uses, carried by others.
struct Carried<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}

/// A thread that runs a loop, and takes work from others.
final class LoopThread: Sendable {
    private let work = Mutex<[@Sendable (EventLoop) -> Void]>([])
    private let pipe = Pipe()

    init() {
        let input = pipe.fileHandleForReading.fileDescriptor
        Thread.detachNewThread { [self] in
            let loop = try! EventLoop()
            let inbox = Inbox { [self] in
                for job in work.withLock({ jobs in
                    defer { jobs = [] }
                    return jobs
                }) { job(loop) }
            }
            loop.watch(input, .readable, inbox)
            try! loop.run()
        }
    }

    func perform<R: Sendable>(_ body: @escaping @Sendable (EventLoop) -> R) async -> R {
        await withCheckedContinuation { continuation in
            work.withLock { $0.append { continuation.resume(returning: body($0)) } }
            pipe.fileHandleForWriting.write(Data([1]))
        }
    }

    func end() async { await perform { $0.stop() } }

    private final class Inbox: EventHandler {
        private let arrived: () -> Void

        init(_ arrived: @escaping () -> Void) { self.arrived = arrived }

        func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
            var bytes = [UInt8](repeating: 0, count: 64)
            _ = read(descriptor, &bytes, bytes.count)
            arrived()
        }
    }
}
