import CausewayKernel
import CausewayModel

/// What is not seen as such, and follows from what is.
extension World {
    /// The tunnel's device that has sent or received what was seen.
    func tunnel(of sighting: Sighting, isIn: Bool, machine: String?) -> (position: Int, name: String)? {
        let index: UInt32
        switch sighting.event {
        case .received(let link) where isIn: index = link
        case .sent(let link) where !isIn: index = link
        default: return nil
        }
        guard let position = position(ofOrigin: sighting.namespace, machine: machine),
            let link = link(position, index: index), case .vxlan = link.link.kind
        else { return nil }
        return (position, link.link.name)
    }

    /// IPVS shows by what it does alone: another destination when a packet is sent on, another source on an answer.
    ///
    /// `real` is the address of the one behind it.
    func balancer(of real: IPAddress, _ hook: String?, _ isDestination: Bool, _ position: Int) -> Stage? {
        guard hook == "output" && isDestination || ["forward", "postrouting"].contains(hook) && !isDestination else {
            return nil
        }
        let service = self[position].ipvs.first { $0.destinations.contains { $0.address == real } }
        return service.map { service in
            var stage = Stage(.balancer, isDestination ? "\(service.key)" : "answer")
            stage.table = "IPVS"
            return stage
        }
    }
}
