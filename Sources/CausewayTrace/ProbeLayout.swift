import CausewayKernel
import CausewayLinux

/// Where this kernel has what our programs read.
struct ProbeLayout: Sendable {
    let device, head, data, networkHeader, mark, socket: Int16
    let deviceIndex, deviceNamespace, socketNamespace, namespaceNumber: Int16
    /// `enum skb_drop_reason`, by number.
    let reasons: [UInt32: String]
    /// Kernels before 5.17 give packets up without saying why.
    let tellsReasons: Bool
    private let tracepoints: [ProbeProgram.Point: UInt32]

    /// This kernel's: it is read once.
    static let own = Result<ProbeLayout, KernelError> { () throws(KernelError) in try ProbeLayout() }

    private init() throws(KernelError) {
        let types = try BTF()
        func place(_ member: String, _ structure: String) throws(KernelError) -> Int16 {
            guard let offset = types.offset(of: member, in: structure), let place = Int16(exactly: offset) else {
                throw KernelError(
                    step: "find '\(member)' in struct \(structure)", reason: .unsupported,
                    detail: "this kernel's BTF does not have it")
            }
            return place
        }
        device = try place("dev", "sk_buff")
        head = try place("head", "sk_buff")
        data = try place("data", "sk_buff")
        networkHeader = try place("network_header", "sk_buff")
        mark = try place("mark", "sk_buff")
        socket = try place("sk", "sk_buff")
        deviceIndex = try place("ifindex", "net_device")
        deviceNamespace = try place("nd_net", "net_device")
        socketNamespace = try place("__sk_common", "sock") + place("skc_net", "sock_common")
        namespaceNumber = try place("ns", "net") + place("inum", "ns_common")
        reasons = types.names(of: "skb_drop_reason")
        var tracepoints: [ProbeProgram.Point: UInt32] = [:]
        for point in ProbeProgram.Point.allCases {
            guard let number = types.number(of: "btf_trace_\(point.rawValue)", .typedef) else {
                throw KernelError(
                    step: "find the tracepoint \(point.rawValue)", reason: .unsupported,
                    detail: "this kernel's BTF does not have it")
            }
            tracepoints[point] = number
        }
        self.tracepoints = tracepoints
        // With the one that every tracepoint has first.
        tellsReasons = types.arguments(of: "btf_trace_\(ProbeProgram.Point.drop.rawValue)") ?? 0 >= 4
    }

    func tracepoint(_ point: ProbeProgram.Point) -> UInt32 { tracepoints[point] ?? 0 }

    /// `NETFILTER_DROP`, as `enum skb_drop_reason` has it.
    func reason(_ number: UInt32) -> String {
        guard tellsReasons, let name = reasons[number] else { return "NOT_SPECIFIED" }
        for prefix in ["SKB_DROP_REASON_", "SKB_"] where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return name
    }
}
