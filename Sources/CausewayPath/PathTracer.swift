import CausewayKernel
import CausewayModel

/// Walks a packet through an inventory, by the kernel's order and rules.
///
/// A pure function: the same inventory, packet and entry give the same trace. What it does not understand it says, in
/// ``Hop/uncertain`` and ``Verdict/uncertain``, and goes on as if that had not matched.
package struct PathTracer: Sendable {
    /// Where a packet sets out.
    package enum Entry: Hashable, Sendable {
        /// On a link, from outside. A namespace is known by its inode.
        case link(namespace: UInt64, name: String)
        /// From a process in the namespace. A source of `0.0.0.0` or `::` is chosen as the kernel chooses it.
        case process(namespace: UInt64)
    }

    let world: World

    package init(_ inventory: Inventory) { world = World(inventory) }

    init(_ world: World) { self.world = world }

    /// Of several hosts.
    ///
    /// `host` is the one that is asked when the question does not say; the first unless it is named.
    package init(_ inventories: [Inventory], at host: String? = nil) throws(PathError) {
        let join = InventoryJoin(inventories)
        guard let host else {
            world = World(join, home: join.hosts.first?.position ?? 0)
            return
        }
        guard let home = join.hosts.first(where: { $0.name == host }) else {
            throw .unknownHost(host, known: join.hosts.map(\.name))
        }
        world = World(join, home: home.position)
    }

    /// Traces a packet, and the first packet that answers it.
    ///
    /// `names` are the addresses among which the asker's resolver has chosen. `choice` is the candidate of a balancing decision that is taken, from 0; the first when there is no such one.
    /// The answer is walked if `isReturning`.
    package func trace(
        _ packet: Packet, from entry: Entry, names: [Candidate] = [], choice: Int = 0, isReturning: Bool = false
    ) throws(PathError) -> Trace {
        let start = try position(of: entry)
        var walk = Walk(world, packet, choice: choice)
        if case .output(let at) = start {
            let named = names.isEmpty ? "" : ", to the address that the resolver gave first"
            walk.add(at, Stage(.socket, "process"), "sends" + named) { $0.candidates = names }
        }
        let verdict = walk.run(from: start)
        var asked = packet
        if asked.source == Walk.unspecified(packet.family),
            let first = walk.hops.first(where: { $0.stage.kind == .route })
        {
            asked.source = first.before.source
            walk.hops[0].before.source = asked.source
        }
        let outward = Trace.Leg(packet: asked, hops: walk.hops, verdict: verdict)
        // Whether the sender hears of a refusal is part of the verdict, whether its way was asked for or not.
        let isRefused = verdict.outcome == .refused
        let reply = isReturning || isRefused ? reply(to: asked, walk, verdict) : nil
        let refusal = refusal(of: asked, walk, verdict)
        var trace = Trace(outward: outward, reply: isReturning ? reply : nil)
        if isReturning { trace.refusal = refusal }
        trace.remarks = Remarks(world).about(asked, verdict)
        if isRefused, let back = refusal ?? reply, let remark = Self.remark(on: back) {
            trace.outward.verdict.answer = nil
            trace.remarks.append(remark)
        }
        return trace
    }

    /// What this machine calls the namespace in which a process's packet sets out; `nil` when it is another machine's,
    /// or when the packet comes from outside.
    package func origin(of entry: Entry, machine: String?) -> UInt64? {
        guard case .process(let inode) = entry, let at = world.position(ofInode: inode) else { return nil }
        let origin = world.origins[at]
        return origin.machine == machine || origin.machine == nil ? origin.inode : nil
    }

    private func position(of entry: Entry) throws(PathError) -> Walk.Position {
        switch entry {
        case .process(let inode):
            guard let at = world.position(ofInode: inode) else { throw .unknownNamespace(inode) }
            return .output(at)
        case .link(let inode, let name):
            guard let at = world.position(ofInode: inode) else { throw .unknownNamespace(inode) }
            guard let link = world.link(at, named: name) else {
                throw .unknownLink(name, namespace: world[at].name)
            }
            return .receive(at, link)
        }
    }

    /// Walks the answer: from the socket, or from the one who sent the reset.
    private func reply(to asked: Packet, _ walk: Walk, _ verdict: Verdict) -> Trace.Leg? {
        let isReset = verdict.outcome == .refused && verdict.answer == "tcp reset"
        if verdict.outcome == .sent, walk.carried == nil, let exit = walk.exit {
            return reply(from: exit, to: asked, walk)
        }
        guard verdict.outcome == .delivered || isReset, !walk.hops.isEmpty else { return nil }
        let at = walk.present
        var back = walk.returning(walk.packet.reply, to: asked)
        if isReset { back.packet.flags = [.rst, .ack] }
        back.isRelated = isReset && verdict.reason == .netfilter
        if isReset, reflectsMark(at, walk.packet.family) { back.packet.mark = walk.packet.mark }
        let first = back.packet
        let sender = isReset ? "closed port" : verdict.processName ?? "kernel"
        back.add(at, Stage(.socket, sender), isReset ? "sends a reset" : "answers")
        let end = back.run(from: .output(at))
        return Trace.Leg(packet: first, hops: back.hops, verdict: end)
    }

    /// Walks the answer of somebody outside: by the link that the packet left by.
    private func reply(
        from exit: (position: Int, link: String), to asked: Packet, _ walk: Walk
    ) -> Trace.Leg? {
        guard let link = world.link(exit.position, named: exit.link) else { return nil }
        var back = walk.returning(walk.packet.reply, to: asked)
        let first = back.packet
        let end = back.run(from: .receive(exit.position, link))
        return Trace.Leg(packet: first, hops: back.hops, verdict: end)
    }

    /// Whether packets that the kernel itself answers with carry the mark of the packet they answer.
    func reflectsMark(_ at: Int, _ family: IPFamily) -> Bool {
        world.sysctl(at, family == .ip ? "net.ipv4.fwmark_reflect" : "net.ipv6.fwmark_reflect") == 1
    }
}

/// A question about a path that has no answer: what was asked for, why not, what to do.
package enum PathError: Error, Hashable, Sendable {
    case unknownNamespace(UInt64)
    case unknownLink(String, namespace: String)
    case unknownHost(String, known: [String])
    case unknownTarget(String, known: [String])
    case malformed(String, why: String)
    case noPublishedPort(service: String, port: UInt16?, known: [String])
    case noPort(target: String)
    case noAddress(target: String, IPFamily)
    case noTask(service: String)
    case noWayIn(IPAddress)
    case unknownOrigin(String, known: [String])
}

extension PathError: CustomStringConvertible {
    package var description: String {
        func list(_ names: [String]) -> String {
            names.isEmpty ? "nothing is known here: is the engine running?" : "known: " + names.joined(separator: ", ")
        }
        switch self {
        case .unknownNamespace(let inode): return "no namespace with inode \(inode) in the inventory"
        case .unknownLink(let name, let space):
            return "no link '\(name)' in namespace \(space); `ip link` there lists them"
        case .unknownHost(let name, let hosts):
            return "no inventory is of a host '\(name)'; there are those of \(hosts.joined(separator: ", "))"
        case .unknownTarget(let name, let known):
            return "'\(name)' is no service, task, container or address of this host; \(list(known))"
        case .malformed(let text, let why): return "'\(text)' is not understood: \(why)"
        case .noPublishedPort(let service, let port, let known):
            let what = port.map { "port \($0) of service '\(service)'" } ?? "a port of service '\(service)'"
            return "\(what) is not published on this host; \(list(known))"
        case .noPort(let target): return "'\(target)' needs a port: write '\(target):PORT', or give --port"
        case .noAddress(let target, let family):
            return
                "'\(target)' has no \(family == .ip ? "IPv4" : "IPv6") address here; try \(family == .ip ? "-6" : "without -6")"
        case .noTask(let service):
            return "service '\(service)' has no task on this host; `docker service ps \(service)` says why"
        case .noWayIn(let address):
            return
                "no link of the host leads to \(address), so a packet from there cannot come in; give --from an address that is reachable"
        case .unknownOrigin(let text, let known):
            return "--from '\(text)' is no address, not 'host', and no task or container of this host; \(list(known))"
        }
    }
}
