import CausewayKernel
import CausewayModel
import Foundation
import Glibc
import Synchronization

/// Asks the peers' kernels from one thread, in one namespace, through one device.
///
/// Between rounds the thread sleeps. The device need not be there yet, and may be made anew.
package final class PeerProber: PeerProbing {
    private let door: ProbeDoor

    /// Opens its sockets in `namespace`, and starts its thread there; it ends with this value.
    package static func open(
        in namespace: NetworkNamespace = .host, device: String
    ) async throws(KernelError) -> PeerProber {
        try await namespace.performStep { () throws(KernelError) in
            guard let bell = Bell() else { throw KernelError("make an eventfd", errno: errno) }
            let echoes = try EchoSocket()
            let door = ProbeDoor(bell: bell)
            // A thread begins in the namespace of the one that makes it.
            Thread.detachNewThread {
                var loop = ProbeLoop(device: device, echoes: echoes, door: door)
                loop.run()
            }
            return PeerProber(door: door)
        }
    }

    private init(door: ProbeDoor) { self.door = door }

    deinit { door.put(.stop) }

    package func round(_ probes: [PeerProbe], lasting period: Duration) async -> ProbeRound {
        await withCheckedContinuation { door.put(.round(probes, period, $0)) }
    }
}

/// What the thread of a prober is told.
enum ProbeOrder: Sendable {
    case round([PeerProbe], Duration, CheckedContinuation<ProbeRound, Never>)
    case stop
}

/// Where orders are put, and the bell that wakes the thread for them.
final class ProbeDoor: Sendable {
    let bell: Bell
    private let orders = Mutex<[ProbeOrder]>([])

    init(bell: Bell) { self.bell = bell }

    func put(_ order: ProbeOrder) {
        orders.withLock { $0.append(order) }
        bell.ring()
    }

    /// Waits for the next.
    func take() -> ProbeOrder {
        while true {
            if let order = orders.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return order }
            bell.silence()
        }
    }
}
