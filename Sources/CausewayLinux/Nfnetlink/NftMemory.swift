import CausewayKernel
import Synchronization

/// What is known of a namespace's tables of ours, and for which generation of its rules it is true.
///
/// The kernel counts every change of nftables in a namespace, whoever makes it. As long as its number is the one that
/// we know, nothing has to be read again: so a look costs no more with a million elements than with ten. What we
/// change ourselves is noted here; when somebody else has changed anything, all is forgotten and read anew.
package final class NftMemory: Sendable {
    private struct Known {
        var generation: UInt32
        var tables: [Nft.Table]
    }

    private let known = Mutex<Known?>(nil)
    private let open = Mutex<NetfilterSocket?>(nil)

    package init() {}

    /// A socket of the namespace, open for good.
    ///
    /// Closing one waits until the kernel has freed what was deleted before: some 15 ms (`nft_rcv_nl_event`).
    func socket() throws(NetlinkError) -> NetfilterSocket {
        if let socket = open.withLock({ $0 }) { return socket }
        let socket = try NetfilterSocket()
        open.withLock { $0 = socket }
        return socket
    }

    /// The generation for which something is known.
    var generation: UInt32? { known.withLock { $0?.generation } }

    func tables(in generation: UInt32) -> [Nft.Table]? {
        known.withLock { $0?.generation == generation ? $0?.tables : nil }
    }

    func remember(_ tables: [Nft.Table], in generation: UInt32) {
        known.withLock { $0 = Known(generation: generation, tables: tables) }
    }

    func forget() { known.withLock { $0 = nil } }

    /// Notes what a step of ours did, in so many transactions.
    ///
    /// `now` is the generation after it; `nil` when the kernel would have refused it in any but the next one.
    func note(_ step: Plan.Step, transactions: UInt32 = 1, now: UInt32? = nil) {
        known.withLock { known in
            guard var new = known else { return }
            // The kernel leaves 0 out; then we read again, once in four thousand million changes.
            new.generation &+= transactions
            guard now ?? new.generation == new.generation else {
                known = nil
                return
            }
            // Nobody else may hold the tables while they are changed, or they would be copied.
            known = nil
            var state = KernelState(tables: new.tables)
            new.tables = []
            state.apply(step)
            new.tables = state.tables
            known = new
        }
    }
}
