import CausewayKernel
import CausewayModel
import Logging

/// What is not the kernel's state: sockets that the keeper has, and flows that conntrack remembers.
extension Agent {
    func keepSockets(_ desired: DesiredNode) async {
        var wanted = KeptSockets()
        wanted.ports = desired.publishedPorts
        for (task, table) in desired.names {
            guard let namespace = desired.namespaceOfTask[task] else { continue }
            wanted.resolvers[task] = KeptSockets.Resolver(
                namespacePath: node.path(ofNamespace: namespace), table: table)
        }
        do {
            note(try await keeper.keep(wanted), desired)
        } catch {
            failures[.host] = KernelError(step: "keep sockets", reason: .other, detail: "\(error)")
            logger.error("cannot keep sockets", metadata: ["error": "\(error)"])
        }
    }

    private func note(_ unkept: UnkeptSockets, _ desired: DesiredNode) {
        for port in unkept.ports.subtracting(takenPorts).map(\.description).sorted() { logger.error("\(port)") }
        takenPorts = unkept.ports
        for (task, reason) in unkept.resolvers.sorted(by: { $0.key < $1.key }) {
            guard let namespace = desired.namespaceOfTask[task] else { continue }
            failures[.task(namespace)] = KernelError(
                step: "serve names in \(namespace)", reason: .other, detail: reason)
            logger.error("cannot serve names", metadata: ["namespace": "\(namespace)", "error": "\(reason)"])
        }
    }

    /// Forgets the flows of datagrams to whom nothing leads any more in a new state, once the host has it.
    ///
    /// A datagram has no connection to keep: its next one goes where the service is now.
    func forgetting(_ new: DesiredNode) -> NodeReconciler.Following {
        let lost = Backends.lost(from: applied, to: new)
        return { await self.forgetFlows(to: lost) }
    }

    private func forgetFlows(to lost: Set<IPAddress>) async {
        guard !lost.isEmpty else { return }
        do throws(KernelError) {
            try await node.forgetDatagramFlows(to: lost)
        } catch {
            logger.error("cannot forget flows", metadata: ["addresses": "\(lost.sorted())", "error": "\(error)"])
        }
    }
}

/// The addresses that a node's table balances to.
enum Backends {
    /// Those that nothing leads to any more.
    static func lost(from old: DesiredNode?, to new: DesiredNode) -> Set<IPAddress> {
        let maps = Dictionary(maps(of: new).map { ($0.name, $0) }) { first, _ in first }
        let gone = Set(
            Self.maps(of: old ?? DesiredNode()).flatMap { map in
                map.keyed.difference(to: maps[map.name]?.keyed ?? Nft.Elements()).gone.flatMap(addresses)
            })
        // Mostly none; only else every service is asked whether it still has it.
        return maps.values.reduce(gone) { gone, map in
            gone.isEmpty ? gone : gone.subtracting(map.keyed.entries.flatMap(addresses))
        }
    }

    private static func maps(of desired: DesiredNode) -> [Nft.Set] {
        desired.host.tables.flatMap(\.sets).filter { $0.data != nil }
    }

    private static func addresses(_ entry: Nft.Elements.Entry) -> [IPAddress] {
        let values =
            switch entry {
            case .one(let element): [element.data ?? []]
            case .row(let row): row.choices
            }
        return values.compactMap { if case .address(let address)? = $0.first { address } else { nil } }
    }
}
