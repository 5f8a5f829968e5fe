import CausewayModel
import CausewayStore

/// Gives services their virtual IPs and published ports, and tasks their addresses.
///
/// What is held is read from the store each time; only the cursors live here, and may be forgotten. Where something
/// runs out, the service says so in `allocationError`, its tasks wait in `pending` with the same words, and the next
/// round tries again.
///
/// A service gets a virtual IP on each user network that it is attached to, and none on `ingress` unless that is
/// classic: Swarm spends one there that no client ever uses, which is why its default ingress network carries only some
/// 128 published services.
package struct Allocator: Hashable, Sendable {
    var addressCursors: [PoolKey: UInt64] = [:]
    private var portCursors: [Swarm.TransportProtocol: UInt16] = [:]
    /// When a service that has all that it asks for was last touched: until it is again there is nothing to do for it.
    private var settled: [Swarm.ID: UInt64] = [:]
    /// The services that were short of something when they were last looked at.
    private var short: Set<Swarm.ID> = []
    private var gatewayCursor: UInt32?

    package init() {}

    /// The services whose endpoint changes, with their new one.
    package mutating func endpoints(_ view: StoreSnapshot) -> [Swarm.Service] {
        let wanting = wantingServices(view)
        guard !wanting.isEmpty else { return [] }
        let ingress = view.ingress
        var ledger = AddressLedger(view, cursors: addressCursors)
        var ports = PortPool(
            view.services.all, containers: view.containers.all.map(\.container), cursors: portCursors)
        let changed = wanting.compactMap { before -> Swarm.Service? in
            let after = Self.endpoint(of: before, ingress, view, &ledger, &ports)
            return after == before ? nil : after
        }
        addressCursors = ledger.cursors
        portCursors = ports.cursors
        return changed
    }

    /// The tasks that get addresses, or words for why not; and the services whose shortage comes or goes.
    package mutating func tasks(
        _ view: StoreSnapshot, at now: Timestamp
    ) -> (tasks: [Swarm.Task], services: [Swarm.Service]) {
        let waiting = view.unplacedTasks.filter(\.awaitsAddresses)
        var shortages: [Swarm.ID: String] = [:]
        var changed: [Swarm.Task] = []
        if !waiting.isEmpty {
            var ledger = AddressLedger(view, cursors: addressCursors)
            var numbers = GatewayNumberPool(view, cursor: gatewayCursor)
            for task in waiting {
                guard let service = view.services[task.serviceID], !service.isPendingDelete else { continue }
                let after = Self.attach(task, service, view, at: now, &ledger, &numbers)
                if after.networks.isEmpty { shortages[service.id] = after.status.error }
                if after != task { changed.append(after) }
            }
            addressCursors = ledger.cursors
            gatewayCursor = numbers.cursor
        }
        let ingress = view.ingress
        let concerned = short.union(shortages.keys).compactMap { view.services[$0] }
        let services = concerned.sorted(by: isOlder).compactMap { service -> Swarm.Service? in
            let error = shortages[service.id]
            guard service.allocationError != error, !service.isPendingDelete, isSettled(service, ingress, view) else {
                return nil
            }
            var after = service
            after.allocationError = error
            return after
        }
        return (changed, services)
    }

    // MARK: services

    /// The services that do not have all that they ask for, oldest first.
    private mutating func wantingServices(_ view: StoreSnapshot) -> [Swarm.Service] {
        if settled.count > 2 * view.services.count { settled = settled.filter { view.services[$0.key] != nil } }
        let ingress = view.ingress
        var wanting: [Swarm.Service] = []
        for id in view.services.ids {
            let touched = view.lastTouched(id)
            guard settled[id] != touched, let service = view.services[id] else { continue }
            if service.allocationError == nil { short.remove(id) } else { short.insert(id) }
            if service.isPendingDelete || isSettled(service, ingress, view) {
                settled[id] = touched
            } else {
                settled[id] = nil
                wanting.append(service)
            }
        }
        return wanting
    }

    /// Whether the service has all that its specification asks for, and nothing else but what its tasks still need.
    private func isSettled(_ service: Swarm.Service, _ ingress: Swarm.Network?, _ view: StoreSnapshot) -> Bool {
        let wanted = service.spec.endpointSpec?.ports ?? []
        let given = service.endpoint.ports
        let networks = service.networksWithVirtualIP(ingress: ingress) + Self.networksBeingLeft(service, ingress, view)
        return service.endpoint.mode == service.wantedMode
            && Set(service.endpoint.virtualIPs.map(\.networkID)) == Set(networks) && wanted.count == given.count
            && zip(wanted, given).allSatisfy(Self.fits)
    }

    private static func fits(_ wanted: Swarm.PortConfig, _ given: Swarm.PortConfig) -> Bool {
        var filled = wanted
        if filled.publishMode == .ingress, filled.publishedPort ?? 0 == 0 { filled.publishedPort = given.publishedPort }
        return filled == given && given.publishedPort ?? 0 != 0
    }

    /// The networks that the service has left and not all of its tasks: who asks it there is led to them until they end.
    private static func networksBeingLeft(
        _ service: Swarm.Service, _ ingress: Swarm.Network?, _ view: StoreSnapshot
    ) -> [Swarm.ID] {
        guard service.wantedMode == .vip else { return [] }
        let wanted = service.networksWithVirtualIP(ingress: ingress)
        let left = service.endpoint.virtualIPs.map(\.networkID).filter { !wanted.contains($0) }
        guard !left.isEmpty else { return [] }
        let joined = Set(
            view.tasks(of: service.id).lazy.filter(\.holdsAddresses).flatMap(\.networks).map(\.networkID))
        return left.filter(joined.contains)
    }

    private static func endpoint(
        of before: Swarm.Service, _ ingress: Swarm.Network?, _ view: StoreSnapshot, _ ledger: inout AddressLedger,
        _ ports: inout PortPool
    ) -> Swarm.Service {
        var service = before
        service.allocationError = nil
        service.endpoint.mode = service.wantedMode
        let wanted = service.networksWithVirtualIP(ingress: ingress)
        let left = networksBeingLeft(before, ingress, view)
        service.endpoint.virtualIPs.removeAll { !wanted.contains($0.networkID) && !left.contains($0.networkID) }
        for network in wanted {
            guard !service.endpoint.virtualIPs.contains(where: { $0.networkID == network }) else { continue }
            switch ledger.take(on: network) {
            case .success(let addresses):
                service.endpoint.virtualIPs.append(.init(networkID: network, addresses: addresses))
            case .failure(let shortage):
                service.allocationError = shortage.description
            }
        }
        service.endpoint.ports = []
        for port in service.spec.endpointSpec?.ports ?? [] {
            switch publish(port, before.endpoint.ports, &ports) {
            case .success(let port): service.endpoint.ports.append(port)
            case .failure(let shortage): service.allocationError = shortage.description
            }
        }
        return service
    }

    /// A port of the specification with its published port filled in; one that was given before stays.
    private static func publish(
        _ port: Swarm.PortConfig, _ before: [Swarm.PortConfig], _ ports: inout PortPool
    ) -> Result<Swarm.PortConfig, Shortage> {
        guard port.publishMode == .ingress, port.publishedPort ?? 0 == 0 else { return .success(port) }
        if let kept = before.first(where: { fits(port, $0) && PortPool.range.contains($0.publishedPort ?? 0) }) {
            return .success(kept)
        }
        return ports.take(port.protocol).map { published in
            var port = port
            port.publishedPort = published
            return port
        }
    }

    // MARK: tasks

    private static func attach(
        _ before: Swarm.Task, _ service: Swarm.Service, _ view: StoreSnapshot, at now: Timestamp,
        _ ledger: inout AddressLedger, _ numbers: inout GatewayNumberPool
    ) -> Swarm.Task {
        var task = before
        if let shortage = service.endpointShortage(ingress: view.ingress) { return wait(task, shortage, at: now) }
        var attachments = service.spec.attachments.map { ($0.target, $0.aliases ?? []) }
        if service.needsIngress {
            guard let ingress = view.ingress else { return wait(task, "there is no ingress network", at: now) }
            attachments.insert((ingress.id, []), at: 0)
        }
        var given: [Swarm.NetworkAttachment] = []
        for (network, aliases) in attachments {
            switch ledger.take(on: network) {
            case .success(let addresses):
                given.append(Swarm.NetworkAttachment(networkID: network, addresses: addresses, aliases: aliases))
            case .failure(let shortage):
                for attachment in given { ledger.giveBack(attachment.addresses, on: attachment.networkID) }
                return wait(task, shortage.description, at: now)
            }
        }
        if given.contains(where: { view.networks[$0.networkID]?.spec.isClassic == true }) {
            guard let number = numbers.take() else {
                for attachment in given { ledger.giveBack(attachment.addresses, on: attachment.networkID) }
                return wait(task, "every place on docker_gwbridge is taken", at: now)
            }
            task.gatewayNumber = number
        }
        task.networks = given
        task.status = Swarm.Task.Status(timestamp: now, state: .pending, message: "pending task scheduling")
        return task
    }

    private static func wait(_ task: Swarm.Task, _ why: String, at now: Timestamp) -> Swarm.Task {
        guard task.status.error != why || task.status.state != .pending else { return task }
        var task = task
        task.status = Swarm.Task.Status(
            timestamp: now, state: .pending, message: "waiting for addresses", error: why)
        return task
    }
}
