import CausewayModel

extension IPVS.Service {
    /// In one order, and nothing counted: the kernel lists the newest first.
    package var normalised: IPVS.Service {
        var service = self
        service.destinations = destinations.map(\.uncounted).sorted { ($0.address, $0.port) < ($1.address, $1.port) }
        return service
    }

    /// Whether all is the same but the destinations.
    func isAlike(_ other: IPVS.Service) -> Bool {
        key == other.key && scheduler == other.scheduler && flags == other.flags && persistence == other.persistence
    }

    /// As behind `ipvsadm -A`.
    var options: String {
        var words = [key.option, "-s \(scheduler)"]
        if let persistence { words.append("-p \(persistence)") }
        if flags.contains("ops") { words.append("-o") }
        return words.joined(separator: " ")
    }
}

extension IPVS.Destination {
    /// What the kernel tells the destinations of a service apart by.
    func isAt(_ other: IPVS.Destination) -> Bool { address == other.address && port == other.port }

    fileprivate var uncounted: IPVS.Destination {
        IPVS.Destination(address: address, port: port, method: method, weight: weight)
    }

    /// `10.0.0.5:0`, `[fd00::5]:0`.
    var place: String { address.family == .ip ? "\(address):\(port)" : "[\(address)]:\(port)" }

    /// As behind `ipvsadm -a` and `-e`.
    func options(of key: IPVS.Key) -> String {
        let way =
            switch method {
            case .masquerade: "-m"
            case .tunnel: "-i"
            case .route, .local, .unknown: "-g"
            }
        return "\(key.option) -r \(place) \(way) -w \(weight)"
    }
}

extension IPVS.Key: Comparable {
    package static func < (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.mark(let a), .mark(let b)): a < b
        case (.mark, .address): true
        case (.address, .mark): false
        case (.address(let a, let addressA, let portA), .address(let b, let addressB, let portB)):
            (a.rawValue, addressA, portA) < (b.rawValue, addressB, portB)
        }
    }

    /// `-f 256`, `-t 10.0.0.2:80`.
    package var option: String {
        switch self {
        case .mark(let mark): "-f \(mark)"
        case .address(let transport, let address, let port):
            (transport == .tcp ? "-t " : transport == .udp ? "-u " : "--sctp-service ")
                + (address.family == .ip ? "\(address):\(port)" : "[\(address)]:\(port)")
        }
    }
}
