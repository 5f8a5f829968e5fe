import CausewayModel

/// The difference between two states of a namespace, in the operator's words and in an order that the kernel accepts.
///
/// Taking the steps of `Plan(from: a, to: b)` in `a` gives exactly `b`; `Plan(from: b, to: b)` is empty.
package struct Plan: Hashable, Codable, Sendable {
    package enum Step: Hashable, Codable, Sendable {
        case linkAdd(Rtnl.Link)
        /// Sets what differs; the kind never does (a link of another kind is deleted and added).
        case linkSet(Rtnl.Link, from: Rtnl.Link)
        case linkDelete(Rtnl.Link)
        case addressAdd(Rtnl.Address)
        case addressDelete(Rtnl.Address)
        case routeAdd(Rtnl.Route)
        case routeDelete(Rtnl.Route)
        /// Puts a route in the place of one that the kernel could not tell from it, so that there is always one.
        case routeReplace(Rtnl.Route, from: Rtnl.Route)
        case ruleAdd(NamespaceState.PolicyRule)
        case ruleDelete(NamespaceState.PolicyRule)
        case neighborAdd(Rtnl.Neighbor)
        case neighborDelete(Rtnl.Neighbor)
        case forwardingAdd(Rtnl.ForwardingEntry)
        case forwardingDelete(Rtnl.ForwardingEntry)
        /// The whole table, in one transaction; live connections keep their translation.
        case tableReplace(Nft.Table)
        case tableDelete(family: Nft.Family, name: String)
        /// Elements of one table's sets, in one transaction: deletions first.
        case elementsChange(family: Nft.Family, table: String, delete: [SetElements], add: [SetElements])
        case sysctlSet(name: String, value: String)
        /// The one entry in another's FORWARD chain that accepts our mark.
        case forwardAcceptAdd(IPFamily)
        case forwardAcceptDelete(IPFamily)
        /// With all its destinations.
        case balancerAdd(IPVS.Service)
        /// Its destinations go with it.
        case balancerDelete(IPVS.Key)
        case destinationAdd(IPVS.Key, IPVS.Destination)
        /// Another weight, or another way to it; its connections stay.
        case destinationSet(IPVS.Key, IPVS.Destination)
        case destinationDelete(IPVS.Key, IPVS.Destination)
        /// What is ours of one table of iptables, in one transaction; an empty one: nothing is to be left of ours.
        case firewallChange(IPTables.Table, from: IPTables.Table?)
    }

    package var steps: [Step]

    package init(steps: [Step]) { self.steps = steps }

    package var isEmpty: Bool { steps.isEmpty }
}
