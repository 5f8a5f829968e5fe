import CLinux
import CausewayKernel
import CausewayModel
import Glibc

/// The connections that the kernel tracks in a namespace (ctnetlink).
package struct Conntrack: Sendable {
    /// One direction of a connection: what its packets carry.
    package struct Tuple: Hashable, Sendable, CustomStringConvertible {
        package var source: IPAddress
        package var destination: IPAddress
        /// The protocol's number.
        package var `protocol`: UInt8
        /// 0 where the protocol has none.
        package var sourcePort: UInt16
        package var destinationPort: UInt16

        package init(
            source: IPAddress, destination: IPAddress, protocol: UInt8, sourcePort: UInt16 = 0,
            destinationPort: UInt16 = 0
        ) {
            self.source = source
            self.destination = destination
            self.protocol = `protocol`
            self.sourcePort = sourcePort
            self.destinationPort = destinationPort
        }

        package var description: String {
            "\(`protocol`) \(source):\(sourcePort) → \(destination):\(destinationPort)"
        }
    }

    package struct Flow: Hashable, Sendable {
        /// As the first packet came.
        package var original: Tuple
        /// As the answers come; where the original goes to after translation is where this comes from.
        package var reply: Tuple
        package var zone: UInt16
        package var mark: UInt32
        /// `IPS_…` bits.
        package var status: UInt32
        /// What the kernel calls this entry, to delete it and no other.
        package var id: UInt32
    }

    package let namespace: NetworkNamespace

    package init(_ namespace: NetworkNamespace = .host) { self.namespace = namespace }

    /// All there are, of both families.
    package func flows() async throws(KernelError) -> [Flow] {
        try await namespace.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                return try Self.dump(try NetlinkSocket(.netfilter)).map(\.flow)
            } catch {
                throw error.kernelError("list conntrack entries", advice: Self.advice(error))
            }
        }
    }

    /// Deletes the entries that match, so that the next packet of each is translated anew.
    ///
    /// Returns how many those were.
    ///
    /// One that ended by itself meanwhile is no error.
    @discardableResult
    package func delete(_ matches: @escaping @Sendable (Flow) -> Bool) async throws(KernelError) -> Int {
        try await namespace.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                let socket = try NetlinkSocket(.netfilter)
                var count = 0
                for entry in try Self.dump(socket) where matches(entry.flow) {
                    if try Self.delete(entry, socket) { count += 1 }
                }
                return count
            } catch {
                throw error.kernelError("delete conntrack entries", advice: Self.advice(error))
            }
        }
    }

    /// Deletes the flows of a protocol that lead to an address: those sent to it, and those translated to it.
    @discardableResult
    package func deleteFlows(
        protocol: Swarm.TransportProtocol, towards address: IPAddress
    ) async throws(KernelError) -> Int {
        try await delete {
            $0.original.protocol == `protocol`.number
                && ($0.reply.source == address || $0.original.destination == address)
        }
    }

    private static func advice(_ error: NetlinkError) -> String? {
        [EINVAL, EOPNOTSUPP, EPROTONOSUPPORT].contains(error.errno)
            ? "load the module: modprobe nf_conntrack_netlink" : nil
    }

    // MARK: wire

    struct Entry {
        var flow: Flow
        /// CTA_TUPLE_ORIG as the kernel wrote it.
        var original: ArraySlice<UInt8>
        var family: UInt8
    }

    private static let subsystem = UInt16(NFNL_SUBSYS_CTNETLINK)

    private static func dump(_ socket: NetlinkSocket) throws(NetlinkError) -> [Entry] {
        var entries: [Entry] = []
        for message in try socket.dump(.netfilter(subsystem, UInt16(IPCTNL_MSG_CT_GET.rawValue))) {
            do throws(NetlinkReader.Malformed) {
                if let entry = try entry(message) { entries.append(entry) }
            } catch {
                throw NetlinkError(error)
            }
        }
        return entries
    }

    private static func delete(_ entry: Entry, _ socket: NetlinkSocket) throws(NetlinkError) -> Bool {
        var message = NetlinkWriter.netfilter(subsystem, UInt16(IPCTNL_MSG_CT_DELETE.rawValue), family: entry.family)
        message.nested(UInt16(CTA_TUPLE_ORIG.rawValue)) { $0.put(entry.original) }
        if entry.flow.zone != 0 { message.attribute(UInt16(CTA_ZONE.rawValue), entry.flow.zone.bigEndian) }
        message.attribute(UInt16(CTA_ID.rawValue), entry.flow.id.bigEndian)
        do throws(NetlinkError) {
            try socket.request(message)
            return true
        } catch {
            guard error.errno == ENOENT else { throw error }
            return false
        }
    }

    static func entry(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) -> Entry? {
        var reader = NetlinkReader(message.payload)
        let family = try reader.read(UInt8.self)
        _ = try reader.take(3)
        let attributes = try reader.attributes()
        guard let raw = attributes[UInt16(CTA_TUPLE_ORIG.rawValue)],
            let original = try tuple(attributes.nested(UInt16(CTA_TUPLE_ORIG.rawValue))),
            let reply = try tuple(attributes.nested(UInt16(CTA_TUPLE_REPLY.rawValue)))
        else { return nil }
        let flow = Flow(
            original: original, reply: reply, zone: try attributes.bigInteger(UInt16(CTA_ZONE.rawValue)) ?? 0,
            mark: try attributes.bigInteger(UInt16(CTA_MARK.rawValue)) ?? 0,
            status: try attributes.bigInteger(UInt16(CTA_STATUS.rawValue)) ?? 0,
            id: try attributes.bigInteger(UInt16(CTA_ID.rawValue)) ?? 0)
        return Entry(flow: flow, original: raw, family: family)
    }

    private static func tuple(_ attributes: NetlinkAttributes) throws(NetlinkReader.Malformed) -> Tuple? {
        let addresses = try attributes.nested(UInt16(CTA_TUPLE_IP.rawValue))
        let ports = try attributes.nested(UInt16(CTA_TUPLE_PROTO.rawValue))
        guard
            let source = try addresses.address(
                UInt16(CTA_IP_V4_SRC.rawValue), or: UInt16(CTA_IP_V6_SRC.rawValue)),
            let destination = try addresses.address(
                UInt16(CTA_IP_V4_DST.rawValue), or: UInt16(CTA_IP_V6_DST.rawValue)),
            let number = try ports.integer(UInt16(CTA_PROTO_NUM.rawValue), UInt8.self)
        else { return nil }
        return Tuple(
            source: source, destination: destination, protocol: number,
            sourcePort: try ports.bigInteger(UInt16(CTA_PROTO_SRC_PORT.rawValue)) ?? 0,
            destinationPort: try ports.bigInteger(UInt16(CTA_PROTO_DST_PORT.rawValue)) ?? 0)
    }
}
