import CausewayKernel
import CausewayModel

/// IPVS' numbers as linux/ip_vs.h has them.
enum IPVSNumber {
    static let family = "IPVS"
    static let version: UInt8 = 1

    static let newService: UInt8 = 1
    static let deleteService: UInt8 = 3
    static let newDestination: UInt8 = 5
    static let setDestination: UInt8 = 6
    static let deleteDestination: UInt8 = 7
    static let setConfiguration: UInt8 = 12

    /// `IPVS_CMD_ATTR_SERVICE`, `IPVS_CMD_ATTR_DEST`.
    static let service: UInt16 = 1
    static let destination: UInt16 = 2
    /// `IPVS_CMD_ATTR_TIMEOUT_TCP`, `IPVS_CMD_ATTR_TIMEOUT_TCP_FIN`, `IPVS_CMD_ATTR_TIMEOUT_UDP`.
    static let timeoutTCP: UInt16 = 4
    static let timeoutFIN: UInt16 = 5
    static let timeoutUDP: UInt16 = 6

    /// `IP_VS_SVC_F_PERSISTENT`, `IP_VS_SVC_F_ONEPACKET`.
    static let persistent: UInt32 = 1
    static let onePacket: UInt32 = 4
}

extension NetlinkWriter {
    /// By what the kernel finds a service.
    ///
    /// A mark has a family too: that of the packets, which is IPv4 here.
    mutating func balancer(_ key: IPVS.Key, _ more: (inout NetlinkWriter) -> Void = { _ in }) {
        nested(IPVSNumber.service) { service in
            switch key {
            case .mark(let mark):
                service.attribute(1, UInt16(Family.v4))
                service.attribute(5, mark)
            case .address(let transport, let address, let port):
                service.attribute(1, UInt16(address.family == .ip ? Family.v4 : Family.v6))
                service.attribute(2, UInt16(transport.number))
                service.balancerAddress(3, address)
                service.attribute(4, port.bigEndian)
            }
            more(&service)
        }
    }

    /// A service with all that has to be said when it is made.
    mutating func balancer(_ new: IPVS.Service) {
        var flags: UInt32 = 0
        if new.persistence != nil { flags |= IPVSNumber.persistent }
        if new.flags.contains("ops") { flags |= IPVSNumber.onePacket }
        let isV6 = if case .address(_, let address, _) = new.key { address.family == .ip6 } else { false }
        balancer(new.key) { service in
            service.attribute(6, new.scheduler)
            service.attribute(7) { pair in
                pair.put(flags)
                pair.put(UInt32.max)
            }
            service.attribute(8, new.persistence ?? 0)
            // Clients stay one by one: a mask of all bits in IPv4, a prefix's length in IPv6.
            service.attribute(9, isV6 ? UInt32(128) : UInt32.max)
        }
    }

    mutating func destination(_ destination: IPVS.Destination) {
        nested(IPVSNumber.destination) { real in
            real.balancerAddress(1, destination.address)
            real.attribute(2, destination.port.bigEndian)
            real.attribute(3, destination.method.number)
            real.attribute(4, destination.weight)
            // No threshold of connections, neither above nor below.
            real.attribute(5, UInt32(0))
            real.attribute(6, UInt32(0))
            real.attribute(11, UInt16(destination.address.family == .ip ? Family.v4 : Family.v6))
        }
    }

    /// `union nf_inet_addr`: 16 bytes, whatever the family.
    private mutating func balancerAddress(_ type: UInt16, _ address: IPAddress) {
        attribute(type) { value in
            value.put(address.bytes)
            value.put([UInt8](repeating: 0, count: 16 - address.bytes.count))
        }
    }
}

extension IPVS.Method {
    /// `IP_VS_CONN_F_MASQ` and so on.
    fileprivate var number: UInt32 {
        switch self {
        case .masquerade, .unknown: 0
        case .local: 1
        case .tunnel: 2
        case .route: 3
        }
    }
}
