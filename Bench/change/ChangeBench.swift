import CausewayAgent
import CausewayKernel
import CausewayLinux
import CausewayModel
import Foundation

/// One node with so many services, and what it costs to follow one of them.
struct ChangeBench {
    let services: Int
    let changes: Int

    private let facts = NodeFacts()
    private let clock = ContinuousClock()

    init(services: Int, changes: Int) {
        self.services = services
        self.changes = changes
    }

    func run() async throws {
        let memory = NftMemory()
        let kernel = LinuxKernel(namespace: .host, scope: .host, sysctls: [], memory: memory)
        _ = try await kernel.observe()
        let start = ProcessMemory.now
        var compiler = PiecewiseCompiler()
        var assignment = BenchAssignment(services: services).assignment
        var desired = try await fromEmpty(&compiler, assignment, kernel)
        let held = ProcessMemory.now
        try await readBack(desired)
        try await change(&assignment, &desired, &compiler, kernel)
        // What was changed in steps is what the kernel has.
        try await check(desired)
        let look = try await clock.measure { _ = try await kernel.observe() }
        emit("look", ["ms": look.milliseconds])
        emit(
            "memory",
            [
                "desired_mib": held.resident - start.resident, "resident_mib": ProcessMemory.now.resident,
                "peak_mib": ProcessMemory.now.peak,
            ])
    }

    /// What the host's namespace is to hold, without what has nothing to do with services.
    private func compile(_ compiler: inout PiecewiseCompiler, _ assignment: NodeAssignment) -> KernelState {
        var state = compiler.compile(assignment, facts: facts).host
        state.forwardAccepts = []
        state.sysctls = [:]
        return state
    }

    private func fromEmpty(
        _ compiler: inout PiecewiseCompiler, _ assignment: NodeAssignment, _ kernel: LinuxKernel
    ) async throws -> KernelState {
        var desired = KernelState()
        let compiling = clock.measure { desired = compile(&compiler, assignment) }
        let plan = Plan(from: KernelState(), to: desired)
        let taking = try await clock.measure { for step in plan.steps { try await kernel.take(step) } }
        emit(
            "from_empty",
            [
                "elements": Double(desired.tables.flatMap(\.sets).reduce(0) { $0 + $1.count }),
                "compile_ms": compiling.milliseconds, "kernel_ms": taking.milliseconds,
                "total_ms": (compiling + taking).milliseconds,
            ])
        return desired
    }

    /// Reads everything as after a start, and finds that there is nothing to do.
    private func readBack(_ desired: KernelState) async throws {
        var observed = KernelState()
        let reading = try await clock.measure { observed = try await look() }
        var plan = Plan(steps: [])
        let comparing = clock.measure { plan = Plan(from: observed, to: desired) }
        guard plan.isEmpty else { throw BenchFailure(description: "what was written is not what is read:\n\(plan)") }
        emit("read_back", ["read_ms": reading.milliseconds, "compare_ms": comparing.milliseconds])
    }

    /// As one who remembers nothing; without the firewall's part, which has nothing to do with services.
    private func look() async throws -> KernelState {
        var state = try await LinuxKernel(namespace: .host, scope: .host).observe()
        state.forwardAccepts = []
        return state
    }

    private func check(_ desired: KernelState) async throws {
        let plan = Plan(from: try await look(), to: desired)
        guard plan.isEmpty else { throw BenchFailure(description: "after the changes something is missing:\n\(plan)") }
    }

    /// One backend of one service is replaced by another, again and again.
    private func change(
        _ assignment: inout NodeAssignment, _ desired: inout KernelState, _ compiler: inout PiecewiseCompiler,
        _ kernel: LinuxKernel
    ) async throws {
        var (all, deciding): ([Duration], [Duration]) = ([], [])
        for number in 0..<changes {
            BenchAssignment.replaceBackend(of: number &* 7919 % services, in: &assignment)
            let start = clock.now
            let next = compile(&compiler, assignment)
            let plan = Plan(from: desired, to: next)
            let decided = clock.now
            for step in plan.steps { try await kernel.take(step) }
            all.append(start.duration(to: clock.now))
            deciding.append(start.duration(to: decided))
            guard !plan.isEmpty else { throw BenchFailure(description: "change \(number) changed nothing") }
            desired = next
        }
        emit(
            "change",
            [
                "p50_us": all.percentile(50), "p99_us": all.percentile(99), "decide_p50_us": deciding.percentile(50),
                "decide_p99_us": deciding.percentile(99),
            ])
    }

    private func emit(_ name: String, _ values: [String: Double]) {
        let numbers = values.sorted { $0.key < $1.key }
            .map { "\"\($0.key)\":\(($0.value * 10).rounded() / 10)" }.joined(separator: ",")
        FileHandle.standardOutput.write(Data("{\"case\":\"\(name)\",\"services\":\(services),\(numbers)}\n".utf8))
    }
}

struct BenchFailure: Error, CustomStringConvertible {
    var description: String
}

/// MiB.
struct ProcessMemory {
    var resident = 0.0
    var peak = 0.0

    static var now: ProcessMemory {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        func mebibytes(_ key: String) -> Double {
            let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
            return (line?.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
        }
        return ProcessMemory(resident: mebibytes("VmRSS"), peak: mebibytes("VmHWM"))
    }
}

extension Duration {
    fileprivate var milliseconds: Double { self / .milliseconds(1) }
}

extension [Duration] {
    /// In microseconds.
    fileprivate func percentile(_ percent: Int) -> Double {
        let sorted = sorted()
        return sorted.isEmpty ? 0 : sorted[(sorted.count - 1) * percent / 100] / .microseconds(1)
    }
}
