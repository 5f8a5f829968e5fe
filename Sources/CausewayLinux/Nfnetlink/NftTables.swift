import CausewayKernel

/// Reads and changes our tables in the calling thread's namespace.
///
/// Rules go through libnftables, which knows how to say them; elements, of which there may be very many, go by
/// ``NftBatch`` and ``NftSetReader``.
struct NftTables {
    private static let attempts = 10

    let memory: NftMemory?

    // MARK: reading

    /// Tables of ours, by name; what is known and still true is not read.
    func read(_ socket: NetfilterSocket) throws(KernelError) -> [Nft.Table] {
        for _ in 0..<Self.attempts {
            let generation = try generation(socket)
            if let known = memory?.tables(in: generation) { return known }
            let tables = try readAll(socket)
            guard try self.generation(socket) == generation else { continue }
            memory?.remember(tables, in: generation)
            return tables
        }
        throw NetlinkError(.disturbed).kernelError("read nftables")
    }

    private func generation(_ socket: NetfilterSocket) throws(KernelError) -> UInt32 {
        try asKernelError { () throws(NetlinkError) in try socket.generation() }
    }

    private func readAll(_ socket: NetfilterSocket) throws(KernelError) -> [Nft.Table] {
        let names = try asKernelError { () throws(NetlinkError) in try socket.tables() }
        var tables: [Nft.Table] = []
        for name in names.sorted(by: { $0.family.rawValue < $1.family.rawValue })
        where name.name == KernelState.tableName {
            // No packet meets a dormant table: whatever it has is not in force.
            guard !name.isDormant else {
                tables.append(Nft.Table(family: name.family, name: name.name))
                continue
            }
            // libnftables 1.0.6 writes no JSON for a dormant table, whosever it is.
            let isAnyDormant = names.contains { $0.family == name.family && $0.isDormant }
            if isAnyDormant {
                tables += try Nftables.list(name.family, name.name)
            } else if var table = try Nftables.listRules(name.family, name.name) {
                for index in table.sets.indices { try fill(&table.sets[index], of: table, socket) }
                tables.append(table)
            }
        }
        return tables
    }

    private func fill(_ set: inout Nft.Set, of table: Nft.Table, _ socket: NetfilterSocket) throws(KernelError) {
        guard NftSetReader.canRead(set) else {
            set.elements = try Nftables.list(set.name, in: table.family, table.name)?.elements ?? []
            return
        }
        let reader = NftSetReader(socket: socket.socket, family: table.family, table: table.name)
        let empty = set
        set.keyed = try asKernelError { () throws(NetlinkError) in try reader.elements(of: empty) }
    }

    private func asKernelError<T>(_ body: () throws(NetlinkError) -> T) throws(KernelError) -> T {
        do throws(NetlinkError) { return try body() } catch { throw error.kernelError("read nftables") }
    }
}
