import Glibc
import Synchronization

/// The port numbers of this process's netlink sockets: by them a notification tells that a change was our own.
///
/// The kernel numbers sockets by process (at most 2^22) or from above 2^31; ours are between, with a part of their own
/// for each process, so that no list of them has to be kept.
enum OwnPorts {
    private static let prefix = UInt32.random(in: 0x400...0x7ff) << 20
    private static let counter = Atomic<UInt32>(0)

    static func next() -> UInt32 {
        prefix | counter.wrappingAdd(1, ordering: .relaxed).newValue & 0xf_ffff
    }

    static func contains(_ port: UInt32) -> Bool { port & 0xfff0_0000 == prefix }
}
