import CausewayManager
import CausewayModel
import CausewayStore
import Foundation
import Logging
import Synchronization

/// A real manager in memory, whose clock and names are the test's.
///
/// Unless it is run, what requests write into its store is all that happens there.
enum RealManager {
    static func make(_ store: any Store = MemoryStore()) async throws -> SwarmManager {
        let count = Mutex(0)
        let environment = ManagerEnvironment(
            now: { Timestamp(seconds: 1_800_000_000) },
            sleep: { try? await Task.sleep(for: .nanoseconds($0.rawValue)) },
            newID: {
                count.withLock { count in
                    count += 1
                    let digits = String(count, radix: 36)
                    return String(repeating: "0", count: 25 - digits.count) + digits
                }
            },
            describeNode: {
                Swarm.Node.Description(
                    hostname: "host1", architecture: "x86_64", nanoCPUs: 2_000_000_000, memoryBytes: 1 << 30,
                    engineVersion: "20.10.24")
            },
            makeIdentity: { _ in
                ClusterIdentity(
                    caCertificate: "cert", caKey: "key", workerToken: "w", managerToken: "m", globalID: 7)
            },
            crossSign: { new, _, _, _ in new }, newToken: { _ in "token" },
            newUnlockKey: {
                var generator = SystemRandomNumberGenerator()
                return Swarm.UnlockKey(using: &generator)
            },
            hostRoutes: { [] },
            defaultAddress: { text in
                guard let address = IPAddress(text.isEmpty ? "192.0.2.1" : text) else {
                    throw SwarmError(.invalid, "no such interface: \(text)")
                }
                return address
            },
            leavePatience: .zero, networkPatience: .zero, applyPatience: .zero)
        let manager = SwarmManager(
            store: store, environment: environment, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        _ = try await manager.initialize(SwarmInit())
        return manager
    }
}
