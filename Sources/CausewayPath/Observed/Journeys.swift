import CausewayKernel
import CausewayModel

/// What was seen of one packet, from the first time on, in all namespaces and inside tunnels.
struct Journey: Sendable {
    var first: SeenPacket
    var startedAt: UInt64
    var runs: [SeenRun] = []
    /// At devices, and where it was given up; by time.
    var devices: [Sighting] = []

    var end: UInt64 { max(runs.last?.time ?? 0, devices.last?.time ?? 0) }
}

/// Sorts sightings by the packet that they are of.
struct Journeys: Sendable {
    private(set) var all: [Journey] = []
    private let world: World
    private let machine: String?
    private let tunnelPorts: Set<UInt16>
    private var open: [PacketIdentity: Int] = [:]
    /// Who travels in a tunnel's packet, by what the tunnel's packet is known by.
    private var passengers: [Tuple: PacketIdentity] = [:]
    /// The same, as devices have shown it: there the whole packet is seen.
    private let shown: [Tuple: [(time: UInt64, identity: PacketIdentity)]]

    init(_ sightings: [Sighting], _ world: World, machine: String?, tunnelPorts: Set<UInt16>) {
        self.world = world
        self.machine = machine
        self.tunnelPorts = tunnelPorts
        shown = sightings.reduce(into: [:]) { shown, sighting in
            guard let packet = sighting.packet, let inner = packet.inner else { return }
            shown[packet.packet.tuple, default: []].append((sighting.time, inner.identity))
        }
        for run in SeenRuns(sightings, position: { world.position(ofOrigin: $0, machine: machine) }).runs { add(run) }
        for sighting in sightings { addDevice(sighting) }
        for index in all.indices { all[index].devices.sort { $0.time < $1.time } }
    }

    private mutating func add(_ run: SeenRun) {
        guard let identity = identity(of: run) else { return }
        // The same packet where it has been before is the sender's next try.
        let isAgain =
            run.isEntry && run.packet.inner == nil
            && open[identity].flatMap { all[$0].runs.first }.map { first in
                first.position == run.position && first.base.chain == run.base.chain
                    && first.packet.packet.tuple == run.packet.packet.tuple
            } ?? false
        guard let index = open[identity], !isAgain else {
            guard !isTunnel(run.packet.packet) else { return }
            open[identity] = all.count
            all.append(Journey(first: run.packet, startedAt: run.time, runs: [run]))
            return
        }
        all[index].runs.append(run)
    }

    private func isTunnel(_ packet: Packet) -> Bool {
        packet.transport == .udp && tunnelPorts.contains(packet.destinationPort)
    }

    /// A tunnel's packet goes by the name of the one inside; nftables does not show that one.
    private mutating func identity(of run: SeenRun) -> PacketIdentity? {
        guard isTunnel(run.packet.packet) else { return run.packet.identity }
        if let inner = run.packet.inner { return inner.identity }
        let outer = run.packet.packet.tuple
        if let seen = shown[outer] {
            // Chains are heard of after devices have seen the packet.
            return (seen.last { $0.time <= run.time } ?? seen.first)?.identity
        }
        if run.isEntry, run.ours?.hook == .output, let inside = lastToLeave(run.position) {
            passengers[outer] = inside
        }
        return passengers[outer]
    }

    /// The packet that last was given to a tunnel's device of a namespace.
    private func lastToLeave(_ position: Int) -> PacketIdentity? {
        let waiting = all.filter { journey in
            guard let last = journey.runs.last, last.position == position, last.ours?.hook == .postrouting,
                let link = last.outgoing.flatMap({ world.link(position, index: $0) })
            else { return false }
            if case .vxlan = link.link.kind { return true }
            return false
        }
        return waiting.max { ($0.runs.last?.time ?? 0) < ($1.runs.last?.time ?? 0) }?.first.identity
    }

    private mutating func addDevice(_ sighting: Sighting) {
        if case .chain = sighting.event { return }
        guard let packet = sighting.packet, world.position(ofOrigin: sighting.namespace, machine: machine) != nil else {
            return
        }
        let identity = (packet.inner ?? packet).identity
        // Devices are seen before the chains are heard of: the first journey that had not ended by then.
        let candidates = all.indices.filter { all[$0].first.identity == identity }
        if let index = candidates.last(where: { all[$0].startedAt <= sighting.time + Self.lateness })
            ?? candidates.first
        {
            all[index].devices.append(sighting)
            all[index].startedAt = min(all[index].startedAt, sighting.time)
            return
        }
        guard !isTunnel(packet.packet) || packet.inner != nil else { return }
        var journey = Journey(first: packet.inner ?? packet, startedAt: sighting.time)
        journey.devices = [sighting]
        all.append(journey)
    }

    /// By how much the news of a chain may come after that of a device: the first retransmission comes after 200 ms.
    private static let lateness: UInt64 = 150_000_000
}
