import CausewayKernel
import CausewayLinux

/// What is ours in the kernel, read here and not by the daemon that is under test.
struct KernelView: Sendable {
    /// `nil` is the host's own namespace.
    typealias Place = String?

    let places: [Place]
    private let sysctls: [String]

    /// The host and the namespaces of some tasks.
    init(tasks: [String], sysctls: [String] = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]) {
        places = [nil] + tasks
        self.sysctls = sysctls
    }

    func state(_ place: Place, _ parts: KernelParts = .all) async throws -> KernelState {
        try await kernel(place).observe(parts).normalised
    }

    /// The whole state of all places.
    func all() async throws -> [Place: KernelState] {
        var all: [Place: KernelState] = [:]
        for place in places { all[place] = try await state(place) }
        return all
    }

    private func kernel(_ place: Place) -> LinuxKernel {
        guard let place else { return LinuxKernel(namespace: .host, scope: .host, sysctls: sysctls) }
        return LinuxKernel(
            namespace: NetworkNamespace(name: place), scope: .task,
            sysctls: ["net.ipv6.conf.eth0.accept_ra", "net.ipv6.conf.eth0.disable_ipv6"])
    }
}
