import CausewayKernel
import CausewayModel

/// The links that a rule sees at a hook.
struct HookLinks: Sendable {
    var incoming: String?
    var outgoing: String?
    /// To whom it is handed on that link, once the route is chosen.
    var nextHop: IPAddress?
}

extension Walk {
    /// Calls everything at a hook; `nil` when the packet goes on as it would without it.
    mutating func call(_ hook: Nft.Chain.Base.Hook, _ at: Int, _ links: HookLinks) -> Outcome? {
        for entry in HookOrder(world[at], hook, packet.family).entries {
            switch entry.callee {
            case .conntrack: track(at, hook)
            case .nat(let chains):
                if let verdict = translate(at, hook, links, chains) { return .end(verdict) }
            case .balance:
                if let outcome = balance(at, hook) { return outcome }
            case .unbalance: unbalance(at, hook)
            case .nft, .iptables:
                let run = run(entry.callee, at, hook, links)
                if let verdict = ending(run, at) { return .end(verdict) }
            }
        }
        return nil
    }

    /// Chains at a device's own hook, before anything else sees the packet.
    mutating func callIngress(_ at: Int, _ link: String) -> Verdict? {
        for (table, chain, base) in HookOrder.ingress(world[at], device: link) {
            let run = run(.nft(table, chain, base), at, .ingress, HookLinks(incoming: link))
            if let verdict = ending(run, at) { return verdict }
        }
        return nil
    }

    func view(_ at: Int, _ hook: Nft.Chain.Base.Hook, _ links: HookLinks) -> HookView {
        var view = HookView(
            space: world[at], routing: Routing(world[at]), sets: world.sets, hook: hook, incoming: links.incoming,
            outgoing: links.outgoing, packet: packet)
        if let tracked {
            view.connection = connections[at]?[tracked.index]
            view.direction = tracked.direction
        }
        view.isInvalid = isInvalid
        view.isRelated = isRelated
        view.isUntracked = isUntracked
        view.isBalanced = isBalanced
        view.zone = zone
        view.nextHop = links.nextHop
        view.networkIdentifier = carried?.networkIdentifier
        view.ethernet = links.incoming == nil ? .none : ethernet
        return view
    }

    /// Walks one base chain and records it as a hop.
    mutating func run(
        _ callee: HookOrder.Callee, _ at: Int, _ hook: Nft.Chain.Base.Hook, _ links: HookLinks
    ) -> ChainRun {
        let before = packet
        let view = view(at, hook, links)
        let (run, after, stage) = evaluate(callee, view, at)
        packet = after.packet
        isUntracked = after.isUntracked
        zone = after.zone
        if let tracked, let connection = after.connection { connections[at]?[tracked.index] = connection }
        add(at, stage, action(run, before, view, after), from: before) { hop in
            hop.rules = run.acted
            hop.candidates = run.candidates
            hop.uncertain = run.uncertain
            hop.isPassing = run.acted.isEmpty && run.uncertain.isEmpty && run.end == .policy(isDrop: false)
            hop.owner = run.candidates.first { $0.isChosen }?.owner
        }
        return run
    }

    private func evaluate(
        _ callee: HookOrder.Callee, _ view: HookView, _ at: Int
    ) -> (ChainRun, HookView, Stage) {
        switch callee {
        case .nft(let table, let chain, let base):
            let world = world
            var evaluator = NftEvaluator(
                view, table: table, choice: hops.allSatisfy(\.candidates.isEmpty) ? choice : 0,
                ownerOf: { world.owner(of: $0, at: at)?.name })
            let run = evaluator.run(chain)
            var stage = Stage(.chain, chain.name)
            stage.hook = base.hook.rawValue
            stage.table = "\(table.family.rawValue) \(table.name)"
            stage.chainKind = base.kind.rawValue
            stage.priority = base.priority
            return (run, evaluator.view, stage)
        case .iptables(let table, let chain):
            var evaluator = IPTablesEvaluator(view, table: table)
            let run = evaluator.run(chain)
            var stage = Stage(.chain, chain.name)
            stage.hook = chain.name.lowercased()
            stage.table = (table.family == .ip ? "iptables " : "ip6tables ") + table.name
            stage.chainKind = table.name == "nat" ? "nat" : table.name
            return (run, evaluator.view, stage)
        case .conntrack, .nat, .balance, .unbalance:
            return (ChainRun(end: .accept), view, Stage(.conntrack, ""))
        }
    }

    private func action(
        _ run: ChainRun, _ before: Packet, _ view: HookView, _ after: HookView
    ) -> String {
        var parts: [String] = []
        if packet.mark != before.mark { parts.append("mark 0x\(String(packet.mark, radix: 16))") }
        if isUntracked, !view.isUntracked { parts.append("not tracked") }
        if after.limitsSegments { parts.append("maximum segment size as the route takes it") }
        if zone != view.zone { parts.append("conntrack zone \(zone.id)") }
        switch run.end {
        case .accept: parts.append("accept")
        case .policy(let isDrop):
            if isDrop { parts.append("drop by policy") } else if parts.isEmpty { parts.append("passes") }
        case .drop: parts.append("drop")
        case .reject(let with): parts.append("reject with \(with)")
        case .translate(let translation): parts.append(Self.text(of: translation))
        }
        return parts.joined(separator: ", ")
    }

    static func text(of translation: Translation) -> String {
        let port = translation.port.map { ":\($0)" } ?? ""
        let target = translation.address.map { Packet.endpoint($0, translation.port) } ?? port
        return switch translation.kind {
        case .destination: "dnat to \(target)"
        case .source: "snat to \(target)"
        case .masquerade: "masquerade"
        case .redirect: "redirect" + (port.isEmpty ? "" : " to \(port)")
        }
    }

    /// What a run of a chain means for the packet; `nil`: it goes on.
    func ending(_ run: ChainRun, _ at: Int) -> Verdict? {
        let place = world.place(at)
        guard let hop = hops.last else { return nil }
        let whose = "\(hop.stage.table ?? ""), chain \(run.acted.last?.chain ?? hop.stage.name)"
        let rule = run.acted.last.map { ": " + ($0.comment.map { "\"\($0)\" " } ?? "") + $0.text } ?? ""
        switch run.end {
        case .accept, .policy(isDrop: false), .translate: return nil
        case .policy(isDrop: true):
            return Verdict(.dropped, place, "by the policy of \(whose)", reason: .netfilter)
        case .drop: return Verdict(.dropped, place, "by \(whose)\(rule)", reason: .netfilter)
        case .reject(let with):
            return Verdict(.refused, place, "by \(whose)\(rule)", reason: .netfilter, answer: with)
        }
    }
}
