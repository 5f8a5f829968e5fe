import CausewayKernel
import CausewayModel

/// Writes one packet's journey down as the walk writes its own.
struct LegBuilder {
    let world: World
    let book: RuleBook
    let journey: Journey
    /// Answers are translated by what conntrack remembers; what a NAT chain says of a refusal changes nothing.
    private let isAnswer: Bool
    private let machine: String?
    private let seesDevices: Bool

    private(set) var hops: [Hop] = []
    private var current: Packet
    /// The packet inside, while the current one is a tunnel's.
    private var inner: Packet?
    /// Which device sightings are still to come.
    private var devices: ArraySlice<Sighting>
    /// The last chain's end that was no going on.
    private(set) var end: (run: SeenRun, entry: RuleBook.Entry?)?
    private(set) var loss: (sighting: Sighting, position: Int)?
    private(set) var lastPosition: Int?

    init(
        _ journey: Journey, isAnswer: Bool, _ world: World, _ book: RuleBook, machine: String?, seesDevices: Bool
    ) {
        self.world = world
        self.isAnswer = isAnswer
        self.seesDevices = seesDevices
        self.book = book
        self.journey = journey
        self.machine = machine
        current = journey.first.packet
        devices = journey.devices[...]
    }

    mutating func build() {
        var previous: SeenRun?
        for run in journey.runs {
            if let previous, run.isEntry || run.position != previous.position {
                leave(previous)
                enter(run, isLoop: isLoop(run, previous))
            } else if previous == nil {
                enter(run, isLoop: false)
            }
            show(run)
            previous = run
        }
        if let previous { leave(previous) }
        while let next = devices.popFirst() { show(next) }
        // A copy that was given up on the way is not the packet's end: it went on elsewhere.
        if loss?.sighting != journey.devices.last { loss = nil }
    }

    private func isLoop(_ run: SeenRun, _ previous: SeenRun) -> Bool {
        run.position == previous.position && run.incoming.map { name($0, run.position) == "lo" } ?? false
    }

    private func name(_ index: UInt32, _ position: Int) -> String {
        world.link(position, index: index)?.link.name ?? "if\(index)"
    }

    // MARK: devices

    /// The way into a stack: what devices saw up to the one by which it came in.
    private mutating func enter(_ run: SeenRun, isLoop: Bool) {
        let sent = inner == nil && run.packet.packet.isSame(as: current)
        if !isLoop, !sent || hops.isEmpty { beginStack(run) }
        guard let incoming = run.incoming else {
            if hops.isEmpty { add(run.position, Stage(.socket, "process"), "sends", run.time) }
            return
        }
        let isThere: (Sighting) -> Bool = {
            $0.namespace == run.namespace && $0.event == .received(link: incoming)
        }
        if let index = devices.firstIndex(where: isThere) {
            while let next = devices.first, devices.startIndex <= index {
                devices = devices.dropFirst()
                show(next)
            }
        } else if !seesDevices || world.link(run.position, index: incoming)?.link.kind != .bridge {
            // What a bridge shows to the chains, but not at its own device, goes from one port to another.
            showDevice(incoming, run.position, isIn: true, time: nil)
        }
    }

    /// Into a tunnel, or out of it, when the packet is another one than the one that left.
    private mutating func beginStack(_ run: SeenRun) {
        let isOuter =
            run.packet.packet.transport == .udp && !run.packet.packet.tuple.isSameFlow(journey.first.packet)
            && run.packet.identity != journey.first.identity
        if isOuter, inner == nil {
            let device = passTunnel(isIn: false)
            let link = device?.name ?? hops.last?.stage.name ?? "tunnel"
            let before = current
            inner = current
            current = run.packet.packet
            add(
                device?.position ?? lastPosition ?? run.position, Stage(.encapsulate, link),
                "into \(current.destinationText)", run.time, from: before)
        } else if !isOuter, let passenger = inner {
            let device = passTunnel(isIn: true)
            let link = device?.name ?? run.incoming.map { name($0, run.position) } ?? "tunnel"
            let before = current
            (current, inner) = (passenger, nil)
            current.mark = run.base.mark
            add(
                device?.position ?? run.position, Stage(.decapsulate, link), "out of the tunnel", run.time,
                from: before)
        }
    }

    /// Shows what devices saw up to a tunnel's device, and says which that is; `nil` where none was seen.
    ///
    /// The device may be in a namespace whose chains see nothing of the packet. A packet comes out of it before it comes
    /// in by it.
    private mutating func passTunnel(isIn: Bool) -> (position: Int, name: String)? {
        func tunnel(_ sighting: Sighting) -> (position: Int, name: String)? {
            world.tunnel(of: sighting, isIn: isIn, machine: machine)
        }
        guard let index = devices.firstIndex(where: { tunnel($0) != nil }) else { return nil }
        let found = tunnel(devices[index])
        while let next = devices.first, isIn ? devices.startIndex < index : devices.startIndex <= index {
            devices = devices.dropFirst()
            show(next)
        }
        return found
    }

    /// The way out of a stack: what devices saw up to the one by which it left.
    private mutating func leave(_ run: SeenRun) {
        guard run.ours?.hook == .postrouting, let outgoing = run.outgoing, name(outgoing, run.position) != "lo" else {
            return
        }
        let isThere: (Sighting) -> Bool = { $0.namespace == run.namespace && $0.event == .sent(link: outgoing) }
        if let index = devices.firstIndex(where: isThere) {
            while let next = devices.first, devices.startIndex <= index {
                devices = devices.dropFirst()
                show(next)
            }
        } else if !seesDevices {
            showDevice(outgoing, run.position, isIn: false, time: nil)
        }
    }

    private mutating func show(_ sighting: Sighting) {
        guard let position = world.position(ofOrigin: sighting.namespace, machine: machine) else { return }
        switch sighting.event {
        case .received(let link): showDevice(link, position, isIn: true, time: sighting.time)
        case .sent(let link): showDevice(link, position, isIn: false, time: sighting.time)
        case .dropped: loss = (sighting, position)
        case .chain: break
        }
    }

    private mutating func showDevice(_ index: UInt32, _ position: Int, isIn: Bool, time: UInt64?) {
        let link = world.link(position, index: index)
        let name = name(index, position)
        if link?.link.kind == .bridge {
            add(position, Stage(.bridge, name), isIn ? "up to the IP stack" : "to a port", time)
        } else if name == "lo" {
            if isIn { add(position, Stage(.deviceIn, name), "comes back", time) }
        } else if isIn {
            if position != lastPosition { current.mark = 0 }
            add(position, Stage(.deviceIn, name), "in", time)
        } else {
            let crosses = link.flatMap { world.peer(of: $0, in: position) } != nil
            add(position, Stage(crosses ? .cross : .deviceOut, name), "out", time)
        }
    }

    // MARK: chains

    private mutating func show(_ run: SeenRun) {
        var seen = run.packet.packet
        seen.mark = current.mark
        if !seen.isSame(as: current) { translate(to: seen, run) }
        seen.timeToLive = run.packet.packet.timeToLive
        current = seen
        lastPosition = run.position
        guard run.ours == nil else {
            current.mark = run.last.mark
            return
        }
        let entries = run.events.compactMap { book.entry($0, at: run.position, namespace: run.namespace) }
        let stage = stage(of: run)
        let before = current
        current.mark = run.last.mark
        let isDrop = run.last.verdict == .drop
        add(run.position, stage, action(run, before, entries), nil, from: before) { hop in
            hop.rules = entries.filter(\.acts).map(\.rule)
            hop.isPassing = hop.rules.isEmpty && run.last.kind == .policy && !isDrop
        }
        if isDrop || [.queue, .stolen].contains(run.last.verdict) { end = (run, entries.last) }
    }

    /// A NAT chain before it did that, or else conntrack, which remembers what one did.
    private mutating func translate(to seen: Packet, _ run: SeenRun) {
        let place = world.place(run.position)
        let hook = self.hook(of: run)
        let isDestination = seen.destination != current.destination || seen.destinationPort != current.destinationPort
        let rewriter = hops.lastIndex { hop in
            !isAnswer && hop.place == place && hop.stage.chainKind == "nat" && !hop.rules.isEmpty && hop.after == nil
                && (isDestination ? ["prerouting", "output"] : ["input", "postrouting"]).contains(hop.stage.hook)
        }
        if let rewriter {
            hops[rewriter].after = seen
            let text = isDestination ? "dnat to \(seen.destinationText)" : "snat to \(seen.sourceText)"
            hops[rewriter].action = text
            hops[rewriter].owner = isDestination ? world.owner(of: seen.destination, at: run.position)?.name : nil
            return
        }
        var stage =
            world.balancer(of: isDestination ? seen.destination : current.source, hook, isDestination, run.position)
            ?? Stage(.conntrack, "conntrack")
        stage.hook = hook
        let before = current
        current = seen
        let text = isDestination ? "destination \(seen.destinationText)" : "source \(seen.sourceText)"
        add(run.position, stage, text, nil, from: before)
    }

    private func base(of run: SeenRun) -> Nft.Chain.Base? {
        world[run.position].tables.first { $0.family == run.base.family && $0.name == run.base.table }?
            .chains.first { $0.name == run.base.chain }?.base
    }

    private func isOfIPTables(_ run: SeenRun) -> Bool {
        world[run.position].iptables.contains {
            $0.family.rawValue == run.base.family.rawValue && $0.name == run.base.table
        } && base(of: run) == nil
    }

    private func hook(of run: SeenRun) -> String? {
        if let ours = run.ours { return ours.hook.rawValue }
        return isOfIPTables(run) ? run.base.chain.lowercased() : base(of: run)?.hook.rawValue
    }

    private func stage(of run: SeenRun) -> Stage {
        var stage = Stage(.chain, run.base.chain)
        stage.hook = hook(of: run)
        if isOfIPTables(run) {
            stage.table = (run.base.family == .ip ? "iptables " : "ip6tables ") + run.base.table
            stage.chainKind = run.base.table
        } else {
            let base = base(of: run)
            stage.table = "\(run.base.family.rawValue) \(run.base.table)"
            stage.chainKind = base?.kind.rawValue
            stage.priority = base?.priority
        }
        return stage
    }

    private func action(_ run: SeenRun, _ before: Packet, _ entries: [RuleBook.Entry]) -> String {
        var parts: [String] = []
        if current.mark != before.mark { parts.append("mark 0x\(String(current.mark, radix: 16))") }
        switch (run.last.kind, run.last.verdict) {
        case (.policy, .drop): parts.append("drop by policy")
        case (.policy, _): if parts.isEmpty { parts.append("passes") }
        case (_, .drop): parts.append(entries.last?.answer.map { "reject with \($0)" } ?? "drop")
        case (_, let verdict): parts.append(verdict.rawValue)
        }
        return parts.joined(separator: ", ")
    }

    private mutating func add(
        _ at: Int, _ stage: Stage, _ action: String, _ time: UInt64?, from before: Packet? = nil,
        edit: (inout Hop) -> Void = { _ in }
    ) {
        var hop = Hop(world.place(at), stage, action, before: before ?? current)
        if let before, before != current { hop.after = current }
        if stage.kind != .socket { hop.nanoseconds = time.map { $0 >= journey.startedAt ? $0 - journey.startedAt : 0 } }
        edit(&hop)
        hops.append(hop)
        lastPosition = at
    }
}

extension Packet {
    /// Whether two are the same on the wire.
    func isSame(as other: Packet) -> Bool { tuple == other.tuple }
}

extension Tuple {
    func isSameFlow(_ packet: Packet) -> Bool { self == packet.tuple }
}
