import CLinux
import CausewayModel

/// Writes one netlink message: nesting in code is nesting on the wire, and no length is given by hand.
package struct NetlinkWriter: Sendable {
    /// nlmsghdr's type and flags, filled in with sequence and port when the message is finished.
    package let type: UInt16
    package var flags: UInt16

    /// What stands behind the header so far.
    package private(set) var payload: [UInt8] = []

    package init(type: UInt16, flags: UInt16 = 0) {
        self.type = type
        self.flags = flags
    }

    /// Appends an integer in the host's byte order, as rtnetlink has them.
    package mutating func put(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value) { payload.append(contentsOf: $0) }
    }

    /// Appends an integer in network byte order, as nfnetlink has them.
    package mutating func putBig(_ value: some FixedWidthInteger) { put(value.bigEndian) }

    package mutating func put(_ bytes: some Sequence<UInt8>) { payload.append(contentsOf: bytes) }

    /// Appends text with a NUL behind it.
    package mutating func string(_ text: String) {
        payload.append(contentsOf: text.utf8)
        payload.append(0)
    }

    /// Appends zeros up to the next boundary of four bytes.
    package mutating func align() {
        while payload.count % 4 != 0 { payload.append(0) }
    }

    /// Appends an attribute whose payload `body` writes.
    package mutating func attribute(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) {
        align()
        let start = payload.count
        put(UInt16(0))
        put(type)
        body(&self)
        let length = payload.count - start
        precondition(length <= Int(UInt16.max), "attribute \(type) has \(length) bytes, netlink takes 65535")
        payload.replaceSubrange(start..<start + 2, with: withUnsafeBytes(of: UInt16(length), Array.init))
        align()
    }

    /// Appends an attribute that holds attributes, with the flag that newer parts of the kernel ask for.
    package mutating func nested(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) {
        attribute(type | UInt16(NLA_F_NESTED), body)
    }

    package mutating func attribute(_ type: UInt16, _ value: some FixedWidthInteger) {
        attribute(type) { $0.put(value) }
    }

    package mutating func attribute(_ type: UInt16, _ text: String) { attribute(type) { $0.string(text) } }

    package mutating func attribute(_ type: UInt16, _ address: IPAddress) {
        attribute(type) { $0.put(address.bytes) }
    }

    /// The whole message as it goes to the kernel.
    package func finished(sequence: UInt32, port: UInt32 = 0) -> [UInt8] {
        var header = NetlinkWriter(type: 0)
        header.put(UInt32(16 + payload.count))
        header.put(type)
        header.put(flags)
        header.put(sequence)
        header.put(port)
        return header.payload + payload
    }
}
