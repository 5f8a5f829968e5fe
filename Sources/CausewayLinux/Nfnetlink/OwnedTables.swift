import CNFTables
import CausewayKernel
import Glibc
import Synchronization

/// Tables that are there as long as this value is: the kernel takes them away when their socket closes, by whatever
/// end its process comes to (NFT_TABLE_F_OWNER).
package final class OwnedTables: @unchecked Sendable {
    // Used once, at the end; until then it only keeps the socket open.
    private let context: OpaquePointer

    /// Runs commands that make tables with `flags owner`, in the calling thread's namespace.
    package init(_ commands: String, step: String) throws(KernelError) {
        guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
            throw KernelError(step, errno: ENOMEM, detail: "libnftables gives no context")
        }
        self.context = context
        guard nft_ctx_buffer_output(context) == 0, nft_ctx_buffer_error(context) == 0 else {
            throw KernelError(step, errno: ENOMEM, detail: "libnftables gives no buffer")
        }
        let status = Nftables.library.withLock { _ in nft_run_cmd_from_buffer(context, commands) }
        guard status == 0 else {
            throw Nftables.failure(step, nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? "")
        }
    }

    deinit { nft_ctx_free(context) }
}
