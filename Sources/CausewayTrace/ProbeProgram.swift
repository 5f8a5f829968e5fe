import CausewayModel
import CausewayPath

/// One program at one tracepoint: it compares the packet's headers with the filter, and writes a record of those that
/// it wants.
///
/// Made for this kernel and this filter: places of members come from its BTF, addresses and ports are constants.
struct ProbeProgram {
    enum Point: String, CaseIterable, Sendable {
        case receive = "netif_receive_skb"
        case send = "net_dev_queue"
        case drop = "kfree_skb"

        var number: Int32 {
            switch self {
            case .receive: 1
            case .send: 2
            case .drop: 3
            }
        }
    }

    /// Beyond so many patterns the ports are left out, so that the verifier accepts the program.
    private static let most = 400
    private static let stack = -Int16(ProbeRecord.headers)

    let instructions: [UInt64]

    init(_ point: Point, _ layout: ProbeLayout, _ filter: TraceFilter, map: Int32) {
        var code = BPFAssembler()
        let (wanted, unwanted) = (code.label(), code.label())
        Self.readHeaders(&code, point, layout, unwanted)
        var patterns = Array(filter.all)
        if patterns.count > Self.most {
            patterns = Array(
                Set(
                    patterns.map { pattern in
                        var coarse = pattern
                        coarse.sourcePorts = []
                        coarse.destinationPorts = []
                        coarse.destination = pattern.source == nil ? pattern.destination : nil
                        return coarse
                    }))
        }
        for pattern in patterns { Self.match(&code, pattern, wanted) }
        code.place(unwanted)
        code.move(.r0, 0)
        code.exit()
        code.place(wanted)
        Self.write(&code, point, layout, map)
        instructions = code.finished()
    }

    // MARK: the packet

    /// r6: the tracepoint's arguments; r7: the packet; its first bytes on the stack.
    private static func readHeaders(
        _ code: inout BPFAssembler, _ point: Point, _ layout: ProbeLayout, _ unwanted: BPFAssembler.Label
    ) {
        code.move(.r6, .r1)
        code.load(.double, .r7, .r6, 0)
        if point == .receive {
            // The network header is noted after this tracepoint; what comes in begins with it.
            code.load(.double, .r8, .r7, layout.data)
        } else {
            code.load(.double, .r8, .r7, layout.head)
            code.load(.half, .r4, .r7, layout.networkHeader)
            code.add(.r8, .r4)
        }
        code.move(.r1, .r10)
        code.add(.r1, Int32(stack))
        code.move(.r2, Int32(ProbeRecord.headers))
        code.move(.r3, .r8)
        code.call(.readKernel)
        code.jumpIfZero(.r0, false, to: unwanted)
    }

    // MARK: the filter

    private static func match(
        _ code: inout BPFAssembler, _ pattern: FlowPattern, _ wanted: BPFAssembler.Label
    ) {
        let next = code.label()
        var base = stack
        if let port = pattern.tunnelPort {
            let isV6 = pattern.tunnelFamily == .ip6
            version(&code, base, isV6, else: next)
            code.load(.byte, .r1, .r10, base + (isV6 ? 6 : 9))
            code.jump(.notEqual, .r1, 17, to: next)
            let transport: Int16 = isV6 ? 40 : 20
            half(&code, base + transport + 2, port, else: next)
            base += transport + 8 + 8 + 14
        }
        inner(&code, pattern, base, else: next)
        code.jump(to: wanted)
        code.place(next)
    }

    private static func version(
        _ code: inout BPFAssembler, _ base: Int16, _ isV6: Bool, else next: BPFAssembler.Label
    ) {
        code.load(.byte, .r1, .r10, base)
        code.and(.r1, 0xf0)
        code.jump(.notEqual, .r1, isV6 ? 0x60 : 0x40, to: next)
    }

    /// A number of the packet is in network byte order, the register's is the host's.
    private static func half(
        _ code: inout BPFAssembler, _ at: Int16, _ value: UInt16, else next: BPFAssembler.Label
    ) {
        code.load(.half, .r1, .r10, at)
        code.jump(.notEqual, .r1, UInt32(value.bigEndian), to: next)
    }

    private static func inner(
        _ code: inout BPFAssembler, _ pattern: FlowPattern, _ base: Int16, else next: BPFAssembler.Label
    ) {
        let isV6 = pattern.family == .ip6
        version(&code, base, isV6, else: next)
        code.load(.byte, .r1, .r10, base + (isV6 ? 6 : 9))
        code.jump(.notEqual, .r1, UInt32(pattern.transport.number), to: next)
        address(&code, pattern.source, base + (isV6 ? 8 : 12), else: next)
        address(&code, pattern.destination, base + (isV6 ? 24 : 16), else: next)
        guard pattern.transport.hasPorts else { return }
        let transport = base + (isV6 ? 40 : 20)
        ports(&code, pattern.sourcePorts, transport, else: next)
        ports(&code, pattern.destinationPorts, transport + 2, else: next)
        guard pattern.transport == .tcp else { return }
        code.load(.byte, .r1, .r10, transport + 13)
        code.and(.r1, pattern.isAnswer ? 0x06 : 0x17)
        if pattern.isAnswer {
            code.jump(.equal, .r1, 0, to: next)
        } else {
            code.jump(.notEqual, .r1, 0x02, to: next)
        }
    }

    private static func address(
        _ code: inout BPFAssembler, _ address: IPAddress?, _ at: Int16, else next: BPFAssembler.Label
    ) {
        guard let bytes = address?.bytes else { return }
        for offset in stride(from: 0, to: bytes.count, by: 4) {
            let word = bytes[offset..<offset + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            code.load(.word, .r1, .r10, at + Int16(offset))
            code.jump(.notEqual, .r1, UInt32(littleEndian: word), to: next)
        }
    }

    private static func ports(
        _ code: inout BPFAssembler, _ ports: Set<UInt16>, _ at: Int16, else next: BPFAssembler.Label
    ) {
        guard !ports.isEmpty else { return }
        let found = code.label()
        code.load(.half, .r1, .r10, at)
        for port in ports.sorted() { code.jump(.equal, .r1, UInt32(port.bigEndian), to: found) }
        code.jump(to: next)
        code.place(found)
    }

    // MARK: the record

    private static func write(_ code: inout BPFAssembler, _ point: Point, _ layout: ProbeLayout, _ map: Int32) {
        let end = code.label()
        code.loadMap(.r1, map)
        code.move(.r2, Int32(ProbeRecord.size))
        code.move(.r3, 0)
        code.call(.reserve)
        code.jumpIfZero(.r0, true, to: end)
        code.move(.r8, .r0)
        code.call(.now)
        code.store(.double, .r8, ProbeRecord.time, .r0)
        code.store(.word, .r8, ProbeRecord.point, value: point.number)
        if point == .drop {
            code.load(.double, .r1, .r6, 8)
            code.store(.double, .r8, ProbeRecord.location, .r1)
            if layout.tellsReasons {
                code.load(.double, .r1, .r6, 16)
            } else {
                code.move(.r1, 0)
            }
            code.store(.word, .r8, ProbeRecord.reason, .r1)
        } else {
            code.move(.r1, 0)
            code.store(.double, .r8, ProbeRecord.location, .r1)
            code.store(.word, .r8, ProbeRecord.reason, .r1)
        }
        code.load(.word, .r1, .r7, layout.mark)
        code.store(.word, .r8, ProbeRecord.mark, .r1)
        writePlace(&code, layout)
        for offset in stride(from: Int16(0), to: Int16(ProbeRecord.headers), by: 8) {
            code.load(.double, .r1, .r10, stack + offset)
            code.store(.double, .r8, ProbeRecord.bytes + offset, .r1)
        }
        code.move(.r1, .r8)
        // Nobody is to be woken: the reader looks by itself.
        code.move(.r2, 1)
        code.call(.submit)
        code.place(end)
        code.move(.r0, 0)
        code.exit()
    }

    /// The device, and the namespace: the device's, or the socket's of what was made here and is at no device yet.
    private static func writePlace(_ code: inout BPFAssembler, _ layout: ProbeLayout) {
        let (fromSocket, known, unknown, done) = (code.label(), code.label(), code.label(), code.label())
        code.move(.r2, 0)
        code.store(.word, .r8, ProbeRecord.link, .r2)
        code.load(.double, .r1, .r7, layout.device)
        code.jumpIfZero(.r1, true, to: fromSocket)
        code.load(.word, .r2, .r1, layout.deviceIndex)
        code.store(.word, .r8, ProbeRecord.link, .r2)
        code.load(.double, .r3, .r1, layout.deviceNamespace)
        code.jumpIfZero(.r3, false, to: known)
        code.place(fromSocket)
        code.load(.double, .r1, .r7, layout.socket)
        // The verifier insists: a socket, and what it belongs to, may be absent.
        code.jumpIfZero(.r1, true, to: unknown)
        code.load(.double, .r3, .r1, layout.socketNamespace)
        code.jumpIfZero(.r3, true, to: unknown)
        code.place(known)
        code.load(.word, .r2, .r3, layout.namespaceNumber)
        code.store(.word, .r8, ProbeRecord.namespace, .r2)
        code.jump(to: done)
        code.place(unknown)
        code.move(.r2, 0)
        code.store(.word, .r8, ProbeRecord.namespace, .r2)
        code.place(done)
    }
}
