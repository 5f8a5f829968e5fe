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
        /// Counted only while `net.netfilter.nf_conntrack_acct` is 1.
        package var originalBytes: UInt64 = 0
        package var replyBytes: UInt64 = 0
        /// The kernel's `TCP_CONNTRACK_…`; `nil` for other protocols.
        package var tcpState: UInt8?
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
        try await delete(protocol: nil, matches)
    }

    /// A host may track a hundred thousand connections: those of other protocols are not even read.
    private func delete(
        protocol number: UInt8?, _ matches: @escaping @Sendable (Flow) -> Bool
    ) async throws(KernelError) -> Int {
        try await namespace.performStep { () throws(KernelError) in
            do throws(NetlinkError) {
                let socket = try NetlinkSocket(.netfilter)
                var count = 0
                for entry in try Self.dump(socket, protocol: number) where matches(entry.flow) {
                    if try Self.delete(entry, socket) { count += 1 }
                }
                return count
            } catch {
                throw error.kernelError("delete conntrack entries", advice: Self.advice(error))
            }
        }
    }

    /// Deletes the flows of a protocol that lead to any of some addresses: those sent to it, and those translated to it.
    @discardableResult
    package func deleteFlows(
        protocol: Swarm.TransportProtocol, towards addresses: Set<IPAddress>
    ) async throws(KernelError) -> Int {
        try await delete(protocol: `protocol`.number) {
            $0.original.protocol == `protocol`.number
                && (addresses.contains($0.reply.source) || addresses.contains($0.original.destination))
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

    private static func dump(_ socket: NetlinkSocket, protocol number: UInt8?) throws(NetlinkError) -> [Entry] {
        guard let number else { return try dump(socket) }
        do throws(NetlinkError) {
            return try dump(socket, asking: question(Family.v4, number))
                + dump(socket, asking: question(Family.v6, number))
        } catch {
            // Before Linux 5.8 there was no such filter.
            guard [EOPNOTSUPP, EINVAL].contains(error.errno) else { throw error }
            return try dump(socket)
        }
    }

    /// For the entries of a family and a protocol.
    private static func question(_ family: UInt8, _ number: UInt8) -> NetlinkWriter {
        var message = NetlinkWriter.netfilter(subsystem, UInt16(IPCTNL_MSG_CT_GET.rawValue), family: family)
        message.nested(UInt16(CTA_TUPLE_ORIG.rawValue)) { tuple in
            tuple.nested(UInt16(CTA_TUPLE_PROTO.rawValue)) { $0.attribute(UInt16(CTA_PROTO_NUM.rawValue), number) }
        }
        message.nested(UInt16(CTA_FILTER.rawValue)) { filter in
            filter.attribute(UInt16(CTA_FILTER_ORIG_FLAGS.rawValue), filterByProtocol)
            filter.attribute(UInt16(CTA_FILTER_REPLY_FLAGS.rawValue), UInt32(0))
        }
        return message
    }

    /// The kernel's own `CTA_FILTER_F_CTA_PROTO_NUM`, which no header for users has (nf_internals.h).
    private static let filterByProtocol: UInt32 = 1 << 3

    private static func dump(
        _ socket: NetlinkSocket,
        asking question: NetlinkWriter = .netfilter(subsystem, UInt16(IPCTNL_MSG_CT_GET.rawValue))
    ) throws(NetlinkError) -> [Entry] {
        var entries: [Entry] = []
        for message in try socket.dump(question) {
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
        var flow = Flow(
            original: original, reply: reply, zone: try attributes.bigInteger(UInt16(CTA_ZONE.rawValue)) ?? 0,
            mark: try attributes.bigInteger(UInt16(CTA_MARK.rawValue)) ?? 0,
            status: try attributes.bigInteger(UInt16(CTA_STATUS.rawValue)) ?? 0,
            id: try attributes.bigInteger(UInt16(CTA_ID.rawValue)) ?? 0)
        flow.originalBytes = try bytes(attributes, UInt16(CTA_COUNTERS_ORIG.rawValue))
        flow.replyBytes = try bytes(attributes, UInt16(CTA_COUNTERS_REPLY.rawValue))
        flow.tcpState = try attributes.nested(UInt16(CTA_PROTOINFO.rawValue))
            .nested(UInt16(CTA_PROTOINFO_TCP.rawValue)).integer(UInt16(CTA_PROTOINFO_TCP_STATE.rawValue))
        return Entry(flow: flow, original: raw, family: family)
    }

    private static func bytes(
        _ attributes: NetlinkAttributes, _ direction: UInt16
    ) throws(NetlinkReader.Malformed) -> UInt64 {
        try attributes.nested(direction).bigInteger(UInt16(CTA_COUNTERS_BYTES.rawValue)) ?? 0
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
