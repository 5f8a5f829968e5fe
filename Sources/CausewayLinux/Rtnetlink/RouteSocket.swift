import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// rtnetlink(7) of one namespace, decoded.
package struct RouteSocket: Sendable {
    package let socket: NetlinkSocket

    /// Opens it in the calling thread's namespace.
    package init() throws(NetlinkError) { socket = try NetlinkSocket(.route) }

    package func links() throws(NetlinkError) -> [LinkMessage] {
        try decoded(LinkMessage.dump, RTM.newLink) { message throws(NetlinkReader.Malformed) in
            try LinkMessage(message)
        }
    }

    package func addresses() throws(NetlinkError) -> [AddressMessage] {
        try decoded(AddressMessage.dump, RTM.newAddress) { message throws(NetlinkReader.Malformed) in
            try AddressMessage(message)
        }
    }

    /// Routes of all tables; only those of a protocol unless it is 0.
    package func routes(_ family: IPFamily, protocol: UInt8 = 0) throws(NetlinkError) -> [RouteMessage] {
        try decoded(RouteMessage.dump(family, protocol: `protocol`), RTM.newRoute) {
            message throws(NetlinkReader.Malformed) in try RouteMessage(message)
        }.filter { `protocol` == 0 || $0.protocol == `protocol` }
    }

    /// The route that the kernel would take; `nil` where there is none.
    package func route(to destination: IPAddress) throws(NetlinkError) -> RouteMessage? {
        let answer: [NetlinkMessage]
        do throws(NetlinkError) {
            answer = try socket.request(RouteMessage.lookup(destination))
        } catch {
            guard error.cause == .refused else { throw error }
            return nil
        }
        return try decoded(answer, RTM.newRoute) { message throws(NetlinkReader.Malformed) in
            try RouteMessage(message)
        }.first
    }

    package func neighbors(linkIndex: UInt32? = nil) throws(NetlinkError) -> [NeighborMessage] {
        try decoded(NeighborMessage.dump(linkIndex: linkIndex), RTM.newNeighbor) {
            message throws(NetlinkReader.Malformed) in try NeighborMessage(message)
        }
    }

    /// Of a VXLAN link.
    package func forwarding(linkIndex: UInt32) throws(NetlinkError) -> [ForwardingMessage] {
        try decoded(ForwardingMessage.dump(linkIndex: linkIndex), RTM.newNeighbor) {
            message throws(NetlinkReader.Malformed) in try ForwardingMessage(message)
        }.filter { $0.linkIndex == linkIndex }
    }

    /// Of all bridges.
    package func stations() throws(NetlinkError) -> [StationMessage] {
        try decoded(ForwardingMessage.dump(linkIndex: 0), RTM.newNeighbor) {
            message throws(NetlinkReader.Malformed) in try StationMessage(message)
        }
    }

    package func rules(_ family: IPFamily) throws(NetlinkError) -> [NamespaceState.PolicyRule] {
        try decoded(RuleMessage.dump(family), RTM.newRule) { message throws(NetlinkReader.Malformed) in
            try RuleMessage.rule(message)
        }
    }

    /// This namespace's own number for the namespace behind a descriptor; `nil` when it has given none.
    package func number(ofNamespace descriptor: Int32) throws(NetlinkError) -> Int32? {
        var message = NetlinkWriter(type: RTM.getNamespaceID)
        message.put(UInt32(0))
        message.attribute(UInt16(NETNSA_FD), UInt32(bitPattern: descriptor))
        let numbers = try decoded(try socket.request(message), RTM.newNamespaceID) {
            message throws(NetlinkReader.Malformed) -> Int32? in
            var reader = NetlinkReader(message.payload)
            _ = try reader.take(4)
            return try reader.attributes().integer(UInt16(NETNSA_NSID))
        }
        return numbers.first.flatMap { $0 < 0 ? nil : $0 }
    }

    /// Gives the namespace behind a descriptor a number, if it has none; returns the number.
    package func giveNumber(toNamespace descriptor: Int32) throws(NetlinkError) -> Int32? {
        if let number = try number(ofNamespace: descriptor) { return number }
        var message = NetlinkWriter(type: RTM.newNamespaceID)
        message.put(UInt32(0))
        message.attribute(UInt16(NETNSA_FD), UInt32(bitPattern: descriptor))
        // -1: any that is free.
        message.attribute(UInt16(NETNSA_NSID), UInt32.max)
        do throws(NetlinkError) {
            try socket.request(message)
        } catch {
            // Somebody was faster.
            guard error.errno == EEXIST else { throw error }
        }
        return try number(ofNamespace: descriptor)
    }

    private func decoded<T>(
        _ question: NetlinkWriter, _ type: UInt16,
        _ decode: (NetlinkMessage) throws(NetlinkReader.Malformed) -> T?
    ) throws(NetlinkError) -> [T] {
        try decoded(try socket.dump(question), type, decode)
    }

    private func decoded<T>(
        _ messages: [NetlinkMessage], _ type: UInt16,
        _ decode: (NetlinkMessage) throws(NetlinkReader.Malformed) -> T?
    ) throws(NetlinkError) -> [T] {
        var all: [T] = []
        for message in messages where message.type == type {
            do throws(NetlinkReader.Malformed) {
                if let one = try decode(message) { all.append(one) }
            } catch {
                throw NetlinkError(error)
            }
        }
        return all
    }
}
