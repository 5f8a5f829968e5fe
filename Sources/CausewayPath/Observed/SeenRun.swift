import CausewayKernel
import CausewayModel

/// One base chain's look at a packet: from the event that shows the packet to the last one of that chain.
struct SeenRun: Sendable {
    let namespace: UInt64
    let position: Int
    let time: UInt64
    let packet: SeenPacket
    private(set) var events: [Sighting.ChainEvent]
    private(set) var isOver = false

    init(_ sighting: Sighting, _ event: Sighting.ChainEvent, _ packet: SeenPacket, at position: Int) {
        namespace = sighting.namespace
        self.position = position
        time = sighting.time
        self.packet = packet
        events = []
        add(event)
    }

    mutating func add(_ event: Sighting.ChainEvent) {
        events.append(event)
        isOver = event.kind == .policy || [.accept, .drop, .queue, .stolen].contains(event.verdict)
    }

    /// The base chain: jumps come later.
    var base: Sighting.ChainEvent { events[0] }
    var last: Sighting.ChainEvent { events[events.count - 1] }
    var incoming: UInt32? { base.incoming }
    var outgoing: UInt32? { base.outgoing }

    /// What it stands for, if it is a chain of the tracer's own table.
    var ours: (hook: Nft.Chain.Base.Hook, isFirst: Bool)? {
        base.table == TraceTable.name ? TraceTable.meaning(of: base.chain) : nil
    }

    /// Whether a packet enters the namespace's stack with it.
    var isEntry: Bool { ours.map { $0.isFirst && TraceTable.entries.contains($0.hook) } ?? false }
}

/// Puts what the kernel says of chains together, in the order in which it says it.
struct SeenRuns {
    private(set) var runs: [SeenRun] = []
    private var open: [Key: Int] = [:]

    private struct Key: Hashable {
        let namespace: UInt64
        let trace: UInt32
    }

    /// Events of namespaces that are in no inventory are passed over.
    init(_ sightings: [Sighting], position: (UInt64) -> Int?) {
        for sighting in sightings {
            guard case .chain(let event) = sighting.event else { continue }
            let key = Key(namespace: sighting.namespace, trace: event.trace)
            if let packet = sighting.packet {
                guard let position = position(sighting.namespace) else { continue }
                open[key] = runs.count
                runs.append(SeenRun(sighting, event, packet, at: position))
            } else if let index = open[key], !runs[index].isOver {
                runs[index].add(event)
            }
        }
    }
}
