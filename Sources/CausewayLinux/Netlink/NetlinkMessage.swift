import CLinux

/// One message of the kernel, its header taken off.
package struct NetlinkMessage: Sendable {
    package let type: UInt16
    package let flags: UInt16
    package let sequence: UInt32
    /// The socket of the one who asked for what this tells of; 0 for the kernel itself.
    package let port: UInt32
    package let payload: ArraySlice<UInt8>

    /// Takes a received buffer apart.
    ///
    /// A buffer that is malformed gives no message at all.
    package static func split(_ bytes: [UInt8]) throws(NetlinkReader.Malformed) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var reader = NetlinkReader(bytes)
        while !reader.isAtEnd {
            let at = reader.remaining.startIndex
            let length = Int(try reader.read(UInt32.self))
            let type = try reader.read(UInt16.self)
            let flags = try reader.read(UInt16.self)
            let sequence = try reader.read(UInt32.self)
            let port = try reader.read(UInt32.self)
            guard length >= 16 else {
                throw NetlinkReader.Malformed(offset: at, why: "message length \(length) is below the header's 16")
            }
            let payload = try reader.take(length - 16)
            messages.append(
                NetlinkMessage(type: type, flags: flags, sequence: sequence, port: port, payload: payload))
            _ = try reader.take(min(reader.remaining.count, (4 - length % 4) % 4))
        }
        return messages
    }

    /// Whether a dump was disturbed by a change, so that it shows no one moment.
    var isInterrupted: Bool { flags & UInt16(NLM_F_DUMP_INTR) != 0 }

    /// What NLMSG_ERROR, or NLMSG_DONE of a dump, reports: an errno, 0 for success, and the kernel's words.
    func status() throws(NetlinkReader.Malformed) -> (errno: Int32, words: String) {
        var reader = NetlinkReader(payload)
        // A dump may end without a number.
        guard !reader.isAtEnd else { return (0, "") }
        let code = try reader.read(Int32.self)
        guard flags & UInt16(NLM_F_ACK_TLVS) != 0 else { return (code == .min ? .max : abs(code), "") }
        if type == UInt16(NLMSG_ERROR) {
            // Our own request comes back: its header alone when capped, else all of it.
            let length = Int(try reader.read(UInt32.self))
            let isCapped = flags & UInt16(NLM_F_CAPPED) != 0
            _ = try reader.take(12)
            if !isCapped { _ = try reader.take(max(0, (length + 3) / 4 * 4 - 16)) }
        }
        let words = try reader.attributes().string(UInt16(NLMSGERR_ATTR_MSG.rawValue)) ?? ""
        return (code == .min ? .max : abs(code), words)
    }
}
