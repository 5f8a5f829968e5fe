import CausewayModel
import CausewayStore

/// Places on docker_gwbridge: which tasks have them, and which comes next.
///
/// Given serially, as addresses are: one that was freed rests until the cursor has wrapped.
struct GatewayNumberPool: Sendable {
    private(set) var cursor: UInt32?
    private var used: Set<UInt32>

    init(_ view: StoreSnapshot, cursor: UInt32?) {
        let hasClassic = view.networks.all.contains(where: \.spec.isClassic)
        used = hasClassic ? Set(view.tasks.all.filter(\.holdsAddresses).compactMap(\.gatewayNumber)) : []
        self.cursor = cursor ?? used.max()
    }

    mutating func take() -> UInt32? {
        let numbers = Swarm.GatewayNumbers.tasks
        guard used.count < numbers.count else { return nil }
        var next = cursor ?? numbers.upperBound
        repeat { next = next < numbers.upperBound ? next + 1 : numbers.lowerBound } while used.contains(next)
        used.insert(next)
        cursor = next
        return next
    }
}

/// The numbers of classic networks' tunnels.
enum TunnelIdentifiers {
    /// The next after the one given last that no network has; `nil` when there is none.
    ///
    /// One that was freed is not given again before all others were: a node may still be taking its tunnel down.
    static func next(_ view: StoreSnapshot) -> UInt32? {
        let numbers = Swarm.tunnelIdentifiers
        let used = Set(view.networks.all.compactMap(\.tunnelIdentifier))
        guard used.count < numbers.count else { return nil }
        var next = view.cluster?.lastTunnelIdentifier ?? used.max() ?? numbers.upperBound
        repeat { next = next < numbers.upperBound ? next + 1 : numbers.lowerBound } while used.contains(next)
        return next
    }
}
