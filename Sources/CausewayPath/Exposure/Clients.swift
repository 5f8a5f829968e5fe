import CausewayKernel
import CausewayModel

/// Who may call one of the host's addresses: one source for each region from which packets can come in.
struct Clients: Sendable {
    struct Client: Sendable {
        let region: Int
        let address: IPAddress
        let link: String
    }

    let regions: SourceRegions
    /// In the order of their regions.
    let all: [Client]

    /// Sources come in by the link that leads back to them; those that no outside link leads to are nobody's.
    init(of address: IPAddress, _ regions: SourceRegions, _ world: World, links: Set<String>) {
        self.regions = regions
        let routing = Routing(world[0])
        all = regions.regions.enumerated().compactMap { index, region in
            guard let source = region.representative, !Self.isImpossible(source), !world.holds(0, source) else {
                return nil
            }
            let decision = routing.decide(RouteQuery(destination: source, source: address))
            guard decision.kind == .unicast, let link = decision.route?.link, links.contains(link) else { return nil }
            return Client(region: index, address: source, link: link)
        }
    }

    /// A link-local address is called by neighbours on its own link.
    init(ofLinkLocal link: String, links: Set<String>) {
        guard let neighbours = CIDR("fe80::/10"), links.contains(link) else {
            regions = SourceRegions(.ip6, [])
            all = []
            return
        }
        regions = SourceRegions(.ip6, [neighbours])
        all = regions.regions.enumerated().compactMap { index, region in
            guard region.prefix == neighbours, let source = region.representative else { return nil }
            return Client(region: index, address: source, link: link)
        }
    }

    /// A process within: the kernel chooses its source.
    init(within family: IPFamily) {
        regions = SourceRegions(family, [])
        all = [Client(region: 0, address: Walk.unspecified(family), link: "")]
    }

    /// The clients in the list, written with as few prefixes as can be.
    func summary(of included: Set<Int>) -> [Exposure.Sources] {
        let links = Dictionary(all.map { ($0.region, $0.link) }) { first, _ in first }
        return regions.summary(
            isIncluded: { included.contains($0) }, isNeutral: { links[$0] == nil }, link: { links[$0] ?? "" })
    }

    /// Prefixes whose addresses are nobody's source outside, to be cut off.
    static let impossible = Set(
        ["0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/8", "fe80::/10", "ff00::/8"].compactMap { CIDR($0) })

    private static func isImpossible(_ address: IPAddress) -> Bool {
        impossible.contains { $0.contains(address) }
    }
}
