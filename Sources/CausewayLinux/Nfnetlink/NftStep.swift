import CausewayKernel
import Glibc

/// Takes one step that concerns a table of ours, in the calling thread's namespace.
struct NftStep {
    /// From how many elements on a new table is filled by ourselves.
    private static let manyElements = 4096
    /// Elements of one transaction while a table is filled that no packet meets yet.
    private static let batch = 50_000

    let step: Plan.Step
    let memory: NftMemory?

    /// - Returns: whether it was a step for nftables at all.
    func take() throws(KernelError) -> Bool {
        switch step {
        case .elementsChange(let family, let table, let delete, let add):
            guard let batch = Self.batch(family, table, delete: delete, add: add, memory?.generation) else {
                return try takeAsText()
            }
            try send(batch) {
                Self.batch(family, table, delete: delete, add: add, nil)
            }
        case .tableReplace(let table) where table.sets.reduce(0) { $0 + $1.count } >= Self.manyElements:
            guard try isAbsent(table) else { return try takeAsText() }
            try build(table)
        default: return try takeAsText()
        }
        return true
    }

    // MARK: by libnftables

    private func takeAsText() throws(KernelError) -> Bool {
        guard let commands = step.nftCommands else { return false }
        try Nftables.run(commands, step: "\(step)")
        try note(transactions: 1)
        return true
    }

    private func note(transactions: UInt32) throws(KernelError) {
        guard let memory, memory.generation != nil else { return }
        let now = try netlink { () throws(NetlinkError) in try memory.socket().generation() }
        memory.note(step, transactions: transactions, now: now)
    }

    // MARK: by ourselves

    /// `nil` when there is something among the elements that only libnftables can say.
    private static func batch(
        _ family: Nft.Family, _ table: String, delete: [Plan.SetElements], add: [Plan.SetElements],
        _ generation: UInt32?
    ) -> NftBatch? {
        var batch = NftBatch(family: family, table: table, generation: generation)
        for part in delete { guard batch.change(part, adding: false) else { return nil } }
        for part in add { guard batch.change(part, adding: true) else { return nil } }
        return batch.parts.isEmpty ? nil : batch
    }

    /// Sends it, and sends the `unguarded` one, whatever the generation, when it comes too late.
    private func send(_ batch: NftBatch, unguarded: () -> NftBatch?) throws(KernelError) {
        let refusals = try transact(batch)
        guard let first = refusals.first else {
            memory?.note(step)
            return
        }
        // Somebody has changed rules since we looked. That may be no affair of ours; but nothing is known any more.
        memory?.forget()
        guard first.sequence == 1, first.errno == ERESTART, let again = unguarded() else {
            throw error(first, batch)
        }
        if let refusal = try transact(again).first { throw error(refusal, again) }
    }

    private func transact(_ batch: NftBatch) throws(KernelError) -> [NetlinkSocket.Refusal] {
        var batch = batch
        let last = batch.finish()
        return try netlink { () throws(NetlinkError) in
            try socket().socket.transact(batch.bytes, first: 1, last: last)
        }
    }

    /// Names the message that was refused: the set, and what was to be done with it.
    private func error(_ refusal: NetlinkSocket.Refusal, _ batch: NftBatch) -> KernelError {
        let index = Int(refusal.sequence) - 2
        guard batch.parts.indices.contains(index) else {
            return KernelError("change elements", errno: refusal.errno, detail: refusal.words)
        }
        return KernelError(batch.parts[index], errno: refusal.errno, detail: refusal.words)
    }

    private func socket() throws(NetlinkError) -> NetfilterSocket {
        guard let memory else { return try NetfilterSocket() }
        return try memory.socket()
    }

    private func netlink<T>(_ body: () throws(NetlinkError) -> T) throws(KernelError) -> T {
        do throws(NetlinkError) { return try body() } catch { throw error.kernelError("\(step)") }
    }

    // MARK: a large table

    /// Whether no packet meets this table: it is not there, or was left half made.
    private func isAbsent(_ table: Nft.Table) throws(KernelError) -> Bool {
        let tables = try netlink { () throws(NetlinkError) in try socket().tables() }
        return !tables.contains { $0.family == table.family && $0.name == table.name && !$0.isDormant }
    }

    /// The table is made dormant, filled, and then woken at once: until then no packet meets it, so the filling needs not
    /// be one transaction with the rest.
    ///
    /// (Rules cannot follow later: libnftables 1.0.6 refuses them when their map is declared with `typeof th dport` and
    /// is in the kernel already.)
    private func build(_ table: Nft.Table) throws(KernelError) {
        let name = "\(table.family.rawValue) \(table.name)"
        var empty = table
        var parts: [Plan.SetElements] = []
        for index in table.sets.indices {
            let part = Plan.SetElements(of: table.sets[index], table.sets[index].keyed.entries)
            guard NftElementEncoder(part, adding: true) != nil else { continue }
            empty.sets[index].elements = []
            parts.append(part)
        }
        // In the table's own block: one without flags, behind it, would ask to wake it in the same transaction.
        let opening = "table \(name) {\n"
        let block = opening + "\tflags dormant;\n" + empty.text.dropFirst(opening.count)
        try Nftables.run("add table \(name)\ndelete table \(name)\n" + block, step: "\(step)")
        var transactions: UInt32 = 2
        for part in parts { transactions += try fill(part, in: table) }
        var wake = NftBatch(family: table.family, table: table.name)
        wake.wakeTable()
        if let refusal = try transact(wake).first { throw error(refusal, wake) }
        try note(transactions: transactions)
    }

    /// - Returns: in how many transactions.
    private func fill(_ part: Plan.SetElements, in table: Nft.Table) throws(KernelError) -> UInt32 {
        var count: UInt32 = 0
        var rest = part.entries[...]
        while !rest.isEmpty {
            var (size, taken) = (0, 0)
            while taken < rest.count, size < Self.batch {
                size += rest[rest.startIndex + taken].count
                taken += 1
            }
            var some = part
            some.entries = Array(rest.prefix(taken))
            rest = rest.dropFirst(taken)
            guard let batch = Self.batch(table.family, table.name, delete: [], add: [some], nil) else {
                throw KernelError(step: "\(step)", reason: .invalid, detail: "an element does not fit set \(part.set)")
            }
            if let refusal = try transact(batch).first { throw error(refusal, batch) }
            count += 1
        }
        return count
    }
}
