import CLinux
import CausewayKernel
import CausewayLinux
import CausewayModel
import CausewayPath
import Foundation
import Glibc
import Synchronization

/// A classic filter for packets as sockets of family AF_PACKET show them, from the network header on.
///
/// Coarser than the patterns: protocols and addresses. What it lets through is compared with the patterns themselves.
struct CaptureFilter {
    private(set) var instructions: [clinux_filter] = []

    // BPF_LD|BPF_B|BPF_ABS and so on, of linux/filter.h.
    private static let loadByte: UInt16 = 0x30
    private static let loadWord: UInt16 = 0x20
    private static let jumpEqual: UInt16 = 0x15
    private static let and: UInt16 = 0x54
    private static let end: UInt16 = 0x06
    private static let taken: UInt32 = 160
    /// What the kernel takes at most is 4096 instructions.
    private static let most = 300

    init(_ patterns: Set<FlowPattern>) {
        let keys = Set(patterns.map { Key($0) })
        guard keys.count <= Self.most else {
            instructions = [clinux_filter(code: Self.end, jump_true: 0, jump_false: 0, value: Self.taken)]
            return
        }
        for key in keys.sorted(by: { "\($0)" < "\($1)" }) { append(key) }
        instructions.append(clinux_filter(code: Self.end, jump_true: 0, jump_false: 0, value: 0))
    }

    /// What of a pattern is compared: of IPv6 addresses the last four bytes.
    private struct Key: Hashable {
        var version: UInt32
        var transport: UInt8
        var source: UInt32?
        var destination: UInt32?
        var port: UInt16?

        init(_ pattern: FlowPattern) {
            func low(_ address: IPAddress?) -> UInt32? {
                address.map { $0.bytes.suffix(4).reduce(0) { $0 << 8 | UInt32($1) } }
            }
            guard let port = pattern.tunnelPort else {
                version = pattern.family == .ip6 ? 0x60 : 0x40
                transport = pattern.transport.number
                source = low(pattern.source)
                destination = low(pattern.destination)
                return
            }
            version = pattern.tunnelFamily == .ip6 ? 0x60 : 0x40
            transport = 17
            self.port = port
        }
    }

    /// One pattern: each comparison that fails leads to the next pattern.
    private mutating func append(_ key: Key) {
        let isV6 = key.version == 0x60
        var tests: [(load: clinux_filter, mask: UInt32?, value: UInt32)] = []
        func load(_ code: UInt16, _ at: Int) -> clinux_filter {
            clinux_filter(code: code, jump_true: 0, jump_false: 0, value: UInt32(at))
        }
        tests.append((load(Self.loadByte, 0), 0xf0, key.version))
        tests.append((load(Self.loadByte, isV6 ? 6 : 9), nil, UInt32(key.transport)))
        if let source = key.source { tests.append((load(Self.loadWord, isV6 ? 20 : 12), nil, source)) }
        if let target = key.destination { tests.append((load(Self.loadWord, isV6 ? 36 : 16), nil, target)) }
        if let port = key.port {
            tests.append((load(0x28, isV6 ? 42 : 22), nil, UInt32(port)))
        }
        let length = tests.reduce(1) { $0 + ($1.mask == nil ? 2 : 3) }
        var position = 0
        for test in tests {
            instructions.append(test.load)
            position += 1
            if let mask = test.mask {
                instructions.append(clinux_filter(code: Self.and, jump_true: 0, jump_false: 0, value: mask))
                position += 1
            }
            position += 1
            instructions.append(
                clinux_filter(
                    code: Self.jumpEqual, jump_true: 0, jump_false: UInt8(length - position), value: test.value))
        }
        instructions.append(clinux_filter(code: Self.end, jump_true: 0, jump_false: 0, value: Self.taken))
    }
}

/// Copies at the devices of namespaces, for kernels that let us watch in no better way.
package final class Captures: Sendable {
    private let isStopped = Mutex(false)

    package init(
        _ filter: TraceFilter, in namespaces: LiveNamespaces, into log: SightingLog
    ) async throws(KernelError) {
        let patterns = filter.all
        let instructions = CaptureFilter(patterns).instructions
        let ports = filter.tunnelPorts
        for one in namespaces.all {
            let descriptor = try await one.namespace.performStep { () throws(KernelError) in
                let descriptor = clinux_capture_open(instructions, UInt16(instructions.count))
                guard descriptor >= 0 else { throw KernelError("capture at devices", errno: errno) }
                return descriptor
            }
            Thread.detachNewThread { [weak self] in
                var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                while let self, !self.isStopped.withLock({ $0 }) {
                    guard poll(&polled, 1, 50) > 0 else { continue }
                    for sighting in Self.read(descriptor, one.inode, ports)
                    where sighting.packet.map({ packet in patterns.contains { $0.matches(packet) } }) ?? false {
                        log.add(sighting)
                    }
                }
                close(descriptor)
            }
        }
    }

    package func stop() { isStopped.withLock { $0 = true } }

    deinit { stop() }

    private static func read(_ descriptor: Int32, _ namespace: UInt64, _ ports: Set<UInt16>) -> [Sighting] {
        var sightings: [Sighting] = []
        var buffer = [UInt8](repeating: 0, count: 256)
        while true {
            var (link, isOutgoing): (UInt32, Int32) = (0, 0)
            var time: UInt64 = 0
            let length = clinux_capture(descriptor, &buffer, UInt(buffer.count), &link, &isOutgoing, &time)
            guard length > 0 else { return sightings }
            guard let packet = SeenPacket(network: buffer[..<min(length, buffer.count)], tunnelPorts: ports) else {
                continue
            }
            let monotonic = UInt64(bitPattern: Int64(bitPattern: time) &+ MonotonicClock.fromRealTime)
            sightings.append(
                Sighting(
                    namespace: namespace, time: monotonic, isOutgoing != 0 ? .sent(link: link) : .received(link: link),
                    packet: packet))
        }
    }
}
