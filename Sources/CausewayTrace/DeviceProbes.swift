import CLinux
import CausewayKernel
import CausewayLinux
import CausewayPath
import Foundation
import Glibc
import Synchronization

/// Programs at the kernel's own tracepoints: what devices take in and send, and what is given up, with the reason.
///
/// They are this process's: the kernel takes them away with it. See ``ProbeProgram`` for what they do.
package final class DeviceProbes: Sendable {
    private static let ringSize: UInt32 = 1 << 20

    private let links: [Int32]
    private let isStopped = Mutex(false)

    package init(_ filter: TraceFilter, into log: SightingLog) throws(KernelError) {
        let layout = try ProbeLayout.own.get()
        let map = clinux_bpf_ring(Self.ringSize)
        guard map >= 0 else { throw KernelError("make a ring buffer for eBPF", errno: errno) }
        var links: [Int32] = []
        func giveUp() {
            for link in links { close(link) }
            close(map)
        }
        for point in ProbeProgram.Point.allCases {
            let program = ProbeProgram(point, layout, filter, map: map)
            var said = [CChar](repeating: 0, count: 64 * 1024)
            let link = clinux_bpf_trace(
                program.instructions, UInt32(program.instructions.count), layout.tracepoint(point), &said,
                UInt32(said.count))
            guard link >= 0 else {
                let failure = errno
                giveUp()
                let words = String(decoding: said.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                throw KernelError(
                    "attach an eBPF program to \(point.rawValue)", errno: failure,
                    detail: words.split(separator: "\n").suffix(4).joined(separator: " | "))
            }
            links.append(link)
        }
        guard let ring = clinux_ring_open(map, Self.ringSize) else {
            let failure = errno
            giveUp()
            throw KernelError("map the ring buffer", errno: failure)
        }
        self.links = links
        let reader = ProbeReader(ring: ring, layout: layout, tunnelPorts: filter.tunnelPorts)
        Thread.detachNewThread { [weak self] in
            while let self, !self.isStopped.withLock({ $0 }) {
                reader.read(into: log)
                // The ring could wake this thread for each packet; a busy node is to be disturbed less than that.
                usleep(2_000)
            }
            clinux_ring_close(reader.ring)
            close(map)
        }
    }

    package func stop() { isStopped.withLock { $0 = true } }

    deinit {
        stop()
        for link in links { close(link) }
    }
}

/// Takes records out of the ring.
private struct ProbeReader: @unchecked Sendable {
    // Read by one thread alone.
    let ring: OpaquePointer
    let layout: ProbeLayout
    let tunnelPorts: Set<UInt16>

    func read(into log: SightingLog) {
        var buffer = [UInt8](repeating: 0, count: ProbeRecord.size)
        while true {
            let length = Int(clinux_ring_take(ring, &buffer, UInt32(buffer.count)))
            guard length > 0 else { return }
            if let sighting = ProbeRecord.sighting(buffer[..<length], layout, tunnelPorts) { log.add(sighting) }
        }
    }
}
