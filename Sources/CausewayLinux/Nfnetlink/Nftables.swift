import CNFTables
import CausewayKernel
import Glibc
import Synchronization

/// libnftables, in the calling thread's namespace.
package enum Nftables {
    /// libnftables 1.0.6 keeps tables of marks, realms and interfaces in process-wide variables: one user at a time.
    static let library = Mutex<Void>(())

    /// Runs commands as one transaction.
    ///
    /// Either all of them are done or none.
    package static func run(_ commands: String, step: String) throws(KernelError) {
        _ = try execute(commands, flags: 0, step: step)
    }

    /// Lists a table as values.
    package static func list(_ family: Nft.Family, _ name: String) throws(KernelError) -> [Nft.Table] {
        try read("list table \(family.rawValue) \(name)", flags: UInt32(NFT_CTX_OUTPUT_JSON))
    }

    /// Lists a table without the elements of its sets.
    ///
    /// It asks for every table of the family: only then does libnftables 1.0.6 leave the elements in the kernel.
    package static func listRules(_ family: Nft.Family, _ name: String) throws(KernelError) -> Nft.Table? {
        let flags = UInt32(NFT_CTX_OUTPUT_JSON) | UInt32(NFT_CTX_OUTPUT_TERSE)
        return try read("list ruleset \(family.rawValue)", flags: flags).first {
            $0.family == family && $0.name == name
        }
    }

    /// Lists one set with its elements.
    package static func list(_ set: String, in family: Nft.Family, _ table: String) throws(KernelError) -> Nft.Set? {
        try read("list set \(family.rawValue) \(table) \(set)", flags: UInt32(NFT_CTX_OUTPUT_JSON)).first?.sets.first
    }

    private static func read(_ command: String, flags: UInt32) throws(KernelError) -> [Nft.Table] {
        let text = try execute("\(command)\n", flags: flags, step: command)
        do throws(Nft.ReadError) {
            return try Nft.Table.read(json: text)
        } catch {
            throw KernelError(step: command, reason: .other, detail: error.description)
        }
    }

    private static func execute(_ commands: String, flags: UInt32, step: String) throws(KernelError) -> String {
        try library.withLock { _ in
            Result { () throws(KernelError) -> String in try executeLocked(commands, flags, step) }
        }.get()
    }

    private static func executeLocked(
        _ commands: String, _ flags: UInt32, _ step: String
    ) throws(KernelError) -> String {
        guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
            throw KernelError(step, errno: ENOMEM, detail: "libnftables gives no context")
        }
        defer { nft_ctx_free(context) }
        nft_ctx_output_set_flags(context, flags)
        guard nft_ctx_buffer_output(context) == 0, nft_ctx_buffer_error(context) == 0 else {
            throw KernelError(step, errno: ENOMEM, detail: "libnftables gives no buffer")
        }
        let status = nft_run_cmd_from_buffer(context, commands)
        guard status == 0 else {
            throw failure(step, nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? "")
        }
        return nft_ctx_get_output_buffer(context).map { String(cString: $0) } ?? ""
    }

    /// libnftables says what the kernel said in words alone; they are strerror(3)'s, so that the number can be told.
    static func failure(_ step: String, _ words: String) -> KernelError {
        let numbers = [
            ENOENT, EEXIST, EPERM, EACCES, EOPNOTSUPP, EBUSY, EINVAL, ENOBUFS, ENOMEM, EMSGSIZE, ENFILE, EAFNOSUPPORT,
        ]
        let number = numbers.first { words.contains(String(cString: strerror($0))) } ?? 0
        let detail = words.split(separator: "\n").map { $0.trimmingSpaces }.joined(separator: " | ")
        return KernelError(step, errno: number, detail: detail)
    }
}

extension Substring {
    fileprivate var trimmingSpaces: Substring {
        let front = drop { $0.isWhitespace }
        return front.prefix(
            (front.lastIndex { !$0.isWhitespace }).map { front.distance(from: front.startIndex, to: $0) + 1 } ?? 0)
    }
}
