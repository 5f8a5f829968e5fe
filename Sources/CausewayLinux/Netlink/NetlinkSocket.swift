import CLinux
import CausewayKernel
import Glibc
import Synchronization

/// A netlink socket that asks and waits for the answer.
///
/// It belongs to the namespace of the thread that made it, for good, and may then be used from any thread: one
/// exchange at a time. Answers are matched by sequence number; what belongs to no question is dropped.
package final class NetlinkSocket: Sendable {
    package enum Family: Int32, Sendable {
        case route = 0
        case socketDiagnostics = 4
        case netfilter = 12
        case generic = 16
    }

    /// How often a dump is repeated that changes disturbed.
    private static let attempts = 10
    /// More than the kernel puts into one buffer of a dump (32 KiB), and into any single message seen.
    private static let bufferSize = 128 * 1024

    package let descriptor: Int32
    private let sequence = Mutex<UInt32>(1)

    /// Opens a socket in the calling thread's namespace, as a member of multicast `groups`.
    ///
    /// One that `hearsAll` is told, too, of every namespace that this one has a number for.
    package init(_ family: Family, groups: [UInt32] = [], hearsAll: Bool = false) throws(NetlinkError) {
        descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), family.rawValue)
        guard descriptor >= 0 else { throw NetlinkError(.call("socket"), errno: errno) }
        // Comforts that old kernels lack: without them errors have fewer words and dumps more to read.
        set(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        set(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        if family == .route { set(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1) }
        // The forced size is root's; the other is cut to net.core.rmem_max.
        if !set(SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20) { set(SOL_SOCKET, SO_RCVBUF, 8 << 20) }
        // The kernel always answers: this only keeps a mistake of ours from waiting for ever.
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        try bind()
        if hearsAll, !set(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1) {
            throw NetlinkError(.call("setsockopt NETLINK_LISTEN_ALL_NSID"), errno: errno)
        }
        for group in groups where !set(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, Int32(group)) {
            throw NetlinkError(.call("setsockopt NETLINK_ADD_MEMBERSHIP \(group)"), errno: errno)
        }
    }

    /// A socket without a port of its own shares the kernel's, 0, and is told nothing that the kernel itself says.
    private func bind() throws(NetlinkError) {
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        // A number may be in use still, once they all have been: then the next one.
        for _ in 0..<Self.attempts {
            address.nl_pid = OwnPorts.next()
            let isBound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_nl>.size)) == 0
                }
            }
            if isBound { return }
            guard errno == EADDRINUSE else { break }
        }
        throw NetlinkError(.call("bind"), errno: errno)
    }

    deinit { close(descriptor) }

    @discardableResult
    private func set(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
        var value = value
        return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    // MARK: questions

    /// Asks for one thing, or for a change, and returns what came before the acknowledgement.
    @discardableResult
    package func request(_ message: NetlinkWriter) throws(NetlinkError) -> [NetlinkMessage] {
        var message = message
        message.flags |= UInt16(NLM_F_REQUEST) | UInt16(NLM_F_ACK)
        var messages: [NetlinkMessage] = []
        _ = try exchange(message) { messages.append($0) }
        return messages
    }

    /// Asks for all there is of a kind.
    ///
    /// A dump that changes disturb is repeated, so that it shows one moment.
    package func dump(_ message: NetlinkWriter) throws(NetlinkError) -> [NetlinkMessage] {
        var message = message
        message.flags |= UInt16(NLM_F_REQUEST) | UInt16(NLM_F_ROOT) | UInt16(NLM_F_MATCH)
        for _ in 0..<Self.attempts {
            var messages: [NetlinkMessage] = []
            if try exchange(message, each: { messages.append($0) }) { return messages }
        }
        throw NetlinkError(.disturbed, errno: EINTR)
    }

    /// Asks for all there is of a kind, and shows each message as it comes, so that none has to be kept.
    ///
    /// - Returns: whether it shows one moment; if changes disturbed it, what was shown is to be forgotten.
    package func dump(
        _ message: NetlinkWriter, each: (NetlinkMessage) -> Void
    ) throws(NetlinkError) -> Bool {
        var message = message
        message.flags |= UInt16(NLM_F_REQUEST) | UInt16(NLM_F_ROOT) | UInt16(NLM_F_MATCH)
        return try exchange(message, each: each)
    }

    /// A message that the kernel refused, by its sequence number.
    package struct Refusal: Hashable, Sendable {
        package var sequence: UInt32
        package var errno: Int32
        package var words: String
    }

    /// Sends a batch of messages in one call, and waits until its end is known.
    ///
    /// The message with the sequence number `first` begins the batch: a refusal of it is one of the whole. The one with
    /// `last` is acknowledged. Returns what was refused, in the order of the messages: nothing means that all was done.
    package func transact(_ bytes: [UInt8], first: UInt32, last: UInt32) throws(NetlinkError) -> [Refusal] {
        let result = sequence.withLock { _ in
            Result { () throws(NetlinkError) -> [Refusal] in
                // One call takes no more than the buffer holds.
                if bytes.count > 100_000, !set(SOL_SOCKET, SO_SNDBUFFORCE, Int32(clamping: bytes.count + 4096)) {
                    set(SOL_SOCKET, SO_SNDBUF, Int32(clamping: bytes.count + 4096))
                }
                try send(bytes)
                return try refusals(first: first, last: last)
            }
        }
        return try result.get()
    }

    private func refusals(first: UInt32, last: UInt32) throws(NetlinkError) -> [Refusal] {
        var refusals: [Refusal] = []
        while true {
            for message in try messages() where message.type == UInt16(NLMSG_ERROR) {
                let status = try status(of: message)
                if status.errno != 0 {
                    refusals.append(
                        Refusal(sequence: message.sequence, errno: status.errno, words: status.words))
                }
                let isWhole = message.sequence == first && status.errno != 0
                if message.sequence == last || isWhole { return refusals }
            }
        }
    }

    private func messages() throws(NetlinkError) -> [NetlinkMessage] {
        let bytes = try receive()
        do throws(NetlinkReader.Malformed) {
            return try NetlinkMessage.split(bytes)
        } catch {
            throw NetlinkError(error)
        }
    }

    /// - Returns: whether the answer shows one moment.
    private func exchange(
        _ message: NetlinkWriter, each: (NetlinkMessage) -> Void
    ) throws(NetlinkError) -> Bool {
        let result = sequence.withLock { sequence -> Result<Bool, NetlinkError> in
            sequence &+= 1
            let number = sequence
            return Result { () throws(NetlinkError) -> Bool in
                try send(message.finished(sequence: number))
                return try answer(to: number, each)
            }
        }
        return try result.get()
    }

    private func send(_ bytes: [UInt8]) throws(NetlinkError) {
        while true {
            let sent = Glibc.send(descriptor, bytes, bytes.count, 0)
            if sent == bytes.count { return }
            if sent < 0, errno == EINTR { continue }
            throw NetlinkError(.call("send"), errno: errno)
        }
    }

    private func answer(to number: UInt32, _ each: (NetlinkMessage) -> Void) throws(NetlinkError) -> Bool {
        var isInterrupted = false
        while true {
            for message in try messages() where message.sequence == number {
                if message.isInterrupted { isInterrupted = true }
                switch message.type {
                case UInt16(NLMSG_ERROR), UInt16(NLMSG_DONE):
                    let status = try status(of: message)
                    guard status.errno == 0 else {
                        throw NetlinkError(.refused, errno: status.errno, detail: status.words)
                    }
                    return !isInterrupted
                case UInt16(NLMSG_NOOP): continue
                default: each(message)
                }
            }
        }
    }

    private func status(of message: NetlinkMessage) throws(NetlinkError) -> (errno: Int32, words: String) {
        do throws(NetlinkReader.Malformed) { return try message.status() } catch { throw NetlinkError(error) }
    }

    private func receive() throws(NetlinkError) -> [UInt8] {
        var failure: Int32 = 0
        var length = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.bufferSize) { buffer, count in
            repeat {
                length = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_TRUNC))
            } while length < 0 && errno == EINTR
            failure = errno
            count = max(0, min(length, buffer.count))
        }
        guard length >= 0 else { throw NetlinkError(.call("recv"), errno: failure) }
        guard length <= Self.bufferSize else {
            throw NetlinkError(.malformed, detail: "a message of \(length) bytes, \(Self.bufferSize) can be read")
        }
        return bytes
    }
}
