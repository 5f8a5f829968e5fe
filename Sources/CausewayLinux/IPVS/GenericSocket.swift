import CausewayKernel
import Glibc

/// Generic netlink: families that have no number of their own are asked for by name.
package struct GenericSocket: Sendable {
    private let socket: NetlinkSocket
    /// The family's message type, this boot.
    private let type: UInt16
    private let version: UInt8

    /// Opens it in the calling thread's namespace; refused with `ENOENT` where the kernel has no such family.
    package init(family: String, version: UInt8) throws(NetlinkError) {
        socket = try NetlinkSocket(.generic)
        self.version = version
        // `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY`, `CTRL_ATTR_FAMILY_NAME`, `CTRL_ATTR_FAMILY_ID` of linux/genetlink.h.
        var question = NetlinkWriter(type: 0x10)
        question.put([3, 1, 0, 0])
        question.attribute(2, family)
        var number: UInt16?
        for message in try socket.request(question) {
            do throws(NetlinkReader.Malformed) {
                var reader = NetlinkReader(message.payload)
                _ = try reader.take(4)
                number = try reader.attributes().integer(1)
            } catch {
                throw NetlinkError(error)
            }
        }
        guard let number else { throw NetlinkError(.refused, errno: ENOENT, detail: "no family \(family)") }
        type = number
    }

    /// Sends one command, and waits until the kernel has done it.
    package func request(_ command: UInt8, _ attributes: (inout NetlinkWriter) -> Void) throws(NetlinkError) {
        var message = NetlinkWriter(type: type)
        message.put([command, version, 0, 0])
        attributes(&message)
        try socket.request(message)
    }
}
