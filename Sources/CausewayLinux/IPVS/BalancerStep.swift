import CausewayKernel
import CausewayModel
import Glibc

/// Takes a step of IPVS in the calling thread's namespace.
struct BalancerStep {
    let step: Plan.Step

    /// `false` says that it is no step of IPVS.
    func take() throws(KernelError) -> Bool {
        guard step.kind == .balancer else { return false }
        let text = "\(step)"
        do throws(NetlinkError) {
            try take(try Self.socket())
        } catch {
            throw error.kernelError(text, advice: error.cause == .refused ? advice(error.errno) : nil)
        }
        return true
    }

    /// The kernel's own way to load a module by a family's name does not know this one before Linux 6.8.
    static func socket() throws(NetlinkError) -> GenericSocket {
        do throws(NetlinkError) {
            return try GenericSocket(family: IPVSNumber.family, version: IPVSNumber.version)
        } catch {
            guard error.errno == ENOENT else { throw error }
            loadModule()
        }
        do throws(NetlinkError) {
            return try GenericSocket(family: IPVSNumber.family, version: IPVSNumber.version)
        } catch {
            guard error.errno == ENOENT else { throw error }
            throw NetlinkError(.refused, errno: EOPNOTSUPP, detail: "this kernel has no IPVS")
        }
    }

    /// Should it fail, what needs the module says so.
    static func loadModule() {
        do throws(KernelError) { _ = try Command(["modprobe", "-q", "ip_vs"]).run() } catch {}
    }

    private func take(_ socket: GenericSocket) throws(NetlinkError) {
        switch step {
        case .balancerAdd(let service):
            try socket.request(IPVSNumber.newService) { $0.balancer(service) }
            for destination in service.destinations {
                try send(IPVSNumber.newDestination, service.key, destination, socket)
            }
        case .balancerDelete(let key): try socket.request(IPVSNumber.deleteService) { $0.balancer(key) }
        case .destinationAdd(let key, let destination):
            try send(IPVSNumber.newDestination, key, destination, socket)
        case .destinationSet(let key, let destination):
            try send(IPVSNumber.setDestination, key, destination, socket)
        case .destinationDelete(let key, let destination):
            try send(IPVSNumber.deleteDestination, key, destination, socket)
        default: break
        }
    }

    private func send(
        _ command: UInt8, _ key: IPVS.Key, _ destination: IPVS.Destination, _ socket: GenericSocket
    ) throws(NetlinkError) {
        try socket.request(command) { message in
            message.balancer(key)
            message.destination(destination)
        }
    }

    private func advice(_ errno: Int32) -> String? {
        switch (step, errno) {
        case (_, EOPNOTSUPP):
            "load the module: modprobe ip_vs; networks of the data path 'direct' need none"
        case (.balancerAdd(let service), ENOENT): "load the scheduler's module: modprobe ip_vs_\(service.scheduler)"
        case (.balancerAdd(let service), EEXIST): "remove it, if nobody needs it: ipvsadm -D \(service.key.option)"
        case (_, ESRCH): "somebody removed the service; the next look at the kernel settles it"
        default: nil
        }
    }
}
