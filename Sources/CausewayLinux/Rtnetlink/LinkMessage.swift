import CLinux
import CausewayKernel
import CausewayModel

/// A link as RTM_NEWLINK tells of it.
package struct LinkMessage: Hashable, Sendable {
    package var index: UInt32
    package var name: String
    package var isUp: Bool
    package var hasCarrier = true
    package var address: MACAddress?
    package var mtu: UInt32
    package var alias: String?
    /// The kernel's name for its kind; empty for a physical device, `loopback` for lo.
    package var kind: String
    package var peerIndex: UInt32?
    /// The peer's namespace, by this namespace's own number for it; absent when the peer is in this one.
    package var peerNamespaceID: Int32?
    package var controllerIndex: UInt32?
    package var vxlan: Rtnl.Link.Kind?
    /// Of a bridge, of a bridge's port, of a VXLAN link: how it is set.
    package var bridge: NamespaceState.Bridge?
    package var port: NamespaceState.BridgePort?
    package var tunnel: NamespaceState.Tunnel?

    /// A message that asks for all links.
    package static var dump: NetlinkWriter {
        var message = NetlinkWriter(type: RTM.getLink)
        message.linkHeader()
        message.attribute(IFLA.extendedMask, IFLA.skipStatistics)
        return message
    }

    package init(_ message: NetlinkMessage) throws(NetlinkReader.Malformed) {
        var reader = NetlinkReader(message.payload)
        _ = try reader.take(2)
        let hardware = try reader.read(UInt16.self)
        index = try reader.read()
        let flags = try reader.read(UInt32.self)
        _ = try reader.take(4)
        let attributes = try reader.attributes()

        name = attributes.string(IFLA.name) ?? ""
        isUp = flags & IFLA.isUp != 0
        hasCarrier = try attributes.integer(IFLA.carrier, UInt8.self) != 0
        address = attributes[IFLA.address].flatMap { MACAddress(bytes: $0) }
        mtu = try attributes.integer(IFLA.mtu) ?? 0
        alias = attributes.string(IFLA.alias).flatMap { $0.isEmpty ? nil : $0 }
        peerIndex = try attributes.integer(IFLA.peerIndex, UInt32.self).flatMap { $0 == 0 ? nil : $0 }
        peerNamespaceID = try attributes.integer(IFLA.peerNamespaceID)
        controllerIndex = try attributes.integer(IFLA.controller, UInt32.self).flatMap { $0 == 0 ? nil : $0 }
        let info = try attributes.nested(IFLA.info)
        // ARPHRD_LOOPBACK: lo has no kind of its own.
        kind = info.string(IFLA.kind) ?? (hardware == 772 ? "loopback" : "")
        switch kind {
        case "vxlan":
            let data = try info.nested(IFLA.data)
            vxlan = try Self.vxlan(data)
            tunnel = try Self.tunnel(data)
        case "bridge": bridge = try Self.bridge(try info.nested(IFLA.data))
        default: break
        }
        if info.string(IFLA.portKind) == "bridge" { port = try Self.port(try info.nested(IFLA.portData)) }
    }

    private static func tunnel(_ data: NetlinkAttributes) throws(NetlinkReader.Malformed) -> NamespaceState.Tunnel {
        let remote = try data.address(IFLA.vxlanGroup, or: IFLA.vxlanGroup6)
        return NamespaceState.Tunnel(
            remote: remote.flatMap { $0.bytes.allSatisfy { $0 == 0 } ? nil : $0 },
            learns: try data.flag(IFLA.vxlanLearning), answersNeighbors: try data.flag(IFLA.vxlanProxy))
    }

    private static func bridge(_ data: NetlinkAttributes) throws(NetlinkReader.Malformed) -> NamespaceState.Bridge {
        NamespaceState.Bridge(
            filtersVLANs: try data.flag(BridgeAttribute.filtersVLANs),
            callsIPTables: try data.flag(BridgeAttribute.callsIPTables))
    }

    private static func port(
        _ data: NetlinkAttributes
    ) throws(NetlinkReader.Malformed) -> NamespaceState.BridgePort {
        let number = Int(try data.integer(BridgeAttribute.portState, UInt8.self) ?? 0)
        let states = BridgeAttribute.portStates
        return NamespaceState.BridgePort(
            state: states.indices.contains(number) ? states[number] : "state \(number)",
            isHairpin: try data.flag(BridgeAttribute.portHairpin),
            isIsolated: try data.flag(BridgeAttribute.portIsolated),
            learns: try data.flag(BridgeAttribute.portLearning),
            floods: try data.flag(BridgeAttribute.portFlood),
            suppressesNeighbors: try data.flag(BridgeAttribute.portSuppression))
    }

    private static func vxlan(_ data: NetlinkAttributes) throws(NetlinkReader.Malformed) -> Rtnl.Link.Kind {
        .vxlan(
            id: try data.integer(IFLA.vxlanID) ?? 0,
            local: try data.address(IFLA.vxlanLocal, or: IFLA.vxlanLocal6),
            port: try data.bigInteger(IFLA.vxlanPort) ?? 0)
    }
}

extension NetlinkAttributes {
    /// A byte that is a yes or a no; absent is no.
    fileprivate func flag(_ type: UInt16) throws(NetlinkReader.Malformed) -> Bool {
        try integer(type, UInt8.self) ?? 0 != 0
    }
}

extension NetlinkWriter {
    /// ifinfomsg; `up` changes that flag and no other.
    mutating func linkHeader(index: UInt32 = 0, up: Bool? = nil) {
        put(Family.any)
        put(UInt8(0))
        put(UInt16(0))
        put(index)
        put(up == true ? IFLA.isUp : UInt32(0))
        put(up == nil ? UInt32(0) : IFLA.isUp)
    }

    /// Makes a link, down.
    ///
    /// A veth's other end is made in the namespace behind `peerNamespace`.
    ///
    /// A link is made in the namespace behind `namespace`, if any: a tunnel then sends from the one that was asked.
    package static func linkAdd(
        _ link: Rtnl.Link, peerNamespace: Int32? = nil, namespace: Int32? = nil
    ) -> NetlinkWriter? {
        var message = NetlinkWriter(type: RTM.newLink, flags: Make.new)
        message.linkHeader()
        message.attribute(IFLA.name, link.name)
        if let namespace { message.attribute(IFLA.namespaceDescriptor, UInt32(bitPattern: namespace)) }
        if let mtu = link.mtu { message.attribute(IFLA.mtu, mtu) }
        if let address = link.address { message.attribute(IFLA.address) { $0.put(address.bytes) } }
        switch link.kind {
        case .veth(let peer, _):
            guard let peerNamespace else { return nil }
            message.kind("veth") { data in
                data.nested(IFLA.vethPeer) { end in
                    end.linkHeader()
                    end.attribute(IFLA.name, peer)
                    if let mtu = link.mtu { end.attribute(IFLA.mtu, mtu) }
                    end.attribute(IFLA.namespaceDescriptor, UInt32(bitPattern: peerNamespace))
                }
            }
        case .bridge:
            message.kind("bridge") { _ in }
        case .vxlan(let id, let local, let port):
            message.kind("vxlan") { data in
                data.attribute(IFLA.vxlanID, id)
                if let local {
                    data.attribute(local.family == .ip ? IFLA.vxlanLocal : IFLA.vxlanLocal6, local)
                }
                data.attribute(IFLA.vxlanPort, port.bigEndian)
                data.attribute(IFLA.vxlanLearning, UInt8(0))
                // What is inside has its own checksum (RFC 7348, 5), and no router is to make two packets of one: what
                // fits is measured.
                data.attribute(IFLA.vxlanChecksum, UInt8(0))
                data.attribute(IFLA.vxlanNoFragments, UInt8(1))
            }
        case .overlayVxlan(let id, let local, let port):
            message.kind("vxlan") { data in
                data.attribute(IFLA.vxlanID, id)
                data.attribute(local.family == .ip ? IFLA.vxlanLocal : IFLA.vxlanLocal6, local)
                data.attribute(IFLA.vxlanPort, port.bigEndian)
                data.attribute(IFLA.vxlanLearning, UInt8(0))
                for flag in [IFLA.vxlanProxy, IFLA.vxlanL2Miss, IFLA.vxlanL3Miss] { data.attribute(flag, UInt8(1)) }
            }
        case .other(let kind) where !kind.isEmpty:
            message.kind(kind) { _ in }
        case .vethPeer, .loopback, .other:
            return nil
        }
        return message
    }

    private mutating func kind(_ name: String, _ data: (inout NetlinkWriter) -> Void) {
        nested(IFLA.info) { info in
            info.attribute(IFLA.kind, name)
            info.nested(IFLA.data, data)
        }
    }
}
