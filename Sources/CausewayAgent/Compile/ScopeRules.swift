import CausewayKernel
import CausewayModel

/// Published ports: where each is offered and to whom, and what becomes of a packet that finds no task behind one.
///
/// A port without a scope costs one look-up. Another is asked three things: may this client connect (`from`), is the
/// port bound to anything, and is this one of the addresses or links that it is bound to (`bind`).
extension HostRules {
    var scopeChains: [Nft.Chain] { [published, scoped, bound, translate, unanswered, elsewhere, refused, noTask] }

    /// The relay of loopback connections marks its sockets with this bit: they are bound to no address.
    static let relayMark: UInt64 = 0x0040_0000

    /// Protocol and destination port.
    static let port = Nft.Operand.concatenation([.meta("l4proto"), .payload("th", "dport")])

    // MARK: on the way in, of type nat

    private var published: Nft.Chain {
        Nft.Chain(
            name: "published",
            rules: [
                Nft.Rule([isIn(SetNames.scoped), .verdict(.goto("scoped"))]),
                Nft.Rule([.verdict(.goto("translate"))]),
            ])
    }

    /// Whether this client may connect; what falls through is not translated, and `refused` says no to it.
    private var scoped: Nft.Chain {
        Nft.Chain(name: "scoped", rules: offered(on: "oifname", leadsTo: "bound"))
    }

    /// Whether the port is offered at this address or on this link; what falls through is the host's own business.
    private var bound: Nft.Chain {
        Nft.Chain(
            name: "bound",
            rules: [
                Nft.Rule([isNotIn(SetNames.bound), .verdict(.goto("translate"))]),
                Nft.Rule([isRelayed(.equal), .verdict(.goto("translate"))], comment: "the relay of loopback"),
            ] + boundHere(links: ["iifname", "oifname"], leadsTo: "translate"))
    }

    private var translate: Nft.Chain {
        Nft.Chain(
            name: "translate",
            rules: IPFamily.allCases.flatMap { family in
                SetNames.sizes.map { size in
                    let key = Nft.Operand.concatenation([
                        .meta("l4proto"), .payload("th", "dport"), .numgen(random: true, modulus: size),
                    ])
                    let map = Nft.Operand.map(key: key, in: .set(SetNames(family).published(size)))
                    return Nft.Rule([.dnat(Nft.NAT(family: family, address: map))], comment: "published port")
                }
            })
    }

    // MARK: what was not translated, of type filter

    /// A new packet to a published port that went to no task.
    private var unanswered: Nft.Chain {
        Nft.Chain(
            name: "unanswered",
            rules: [
                Nft.Rule([isIn(SetNames.bound), isRelayed(.notEqual), .verdict(.goto("elsewhere"))]),
                Nft.Rule([.verdict(.goto("refused"))]),
            ])
    }

    /// Of a port that is bound: what came to another address or link falls through, to the host.
    private var elsewhere: Nft.Chain {
        Nft.Chain(name: "elsewhere", rules: boundHere(links: ["iifname"], leadsTo: "refused"))
    }

    private var refused: Nft.Chain {
        Nft.Chain(
            name: "refused",
            rules: offered(on: "iifname", leadsTo: "no_task") + refusals([], comment: "not offered to this source"))
    }

    private var noTask: Nft.Chain {
        Nft.Chain(name: "no_task", rules: refusals([], comment: "no task behind this published port"))
    }

    // MARK: parts

    /// The host's own packets are on `lo`: what it sends by `oifname`, what it gets by `iifname`.
    private func offered(on link: String, leadsTo chain: String) -> [Nft.Rule] {
        let onLoopback = Nft.Expression.match(.meta(link), .equal, .value(.name("lo")))
        return [
            Nft.Rule([isNotIn(SetNames.restricted), .verdict(.goto(chain))]),
            Nft.Rule(
                [onLoopback, isIn(SetNames.fromHost), .verdict(.goto(chain))], comment: "offered to the host itself"),
        ]
            + IPFamily.allCases.map { family in
                let key = Nft.Operand.concatenation([.meta("l4proto"), .payload("th", "dport"), source(family)])
                return Nft.Rule(
                    [.match(key, .equal, .value(.set(SetNames(family).from))), .verdict(.goto(chain))],
                    comment: "offered to this source")
            }
    }

    private func boundHere(links: [String], leadsTo chain: String) -> [Nft.Rule] {
        func rule(_ part: Nft.Operand, _ set: String, _ comment: String) -> Nft.Rule {
            let key = Nft.Operand.concatenation([.meta("l4proto"), .payload("th", "dport"), part])
            return Nft.Rule([.match(key, .equal, .value(.set(set))), .verdict(.goto(chain))], comment: comment)
        }
        return IPFamily.allCases.map { rule(destination($0), SetNames($0).binds, "bound to this address") }
            + links.map { rule(.meta($0), SetNames.bindLinks, "bound to this interface") }
    }

    private func isIn(_ set: String) -> Nft.Expression { .match(Self.port, .equal, .value(.set(set))) }

    private func isNotIn(_ set: String) -> Nft.Expression { .match(Self.port, .notEqual, .value(.set(set))) }

    private func isRelayed(_ comparison: Nft.Comparison) -> Nft.Expression {
        let mark = Nft.Operand.value(.number(Self.relayMark))
        return .match(.binary("&", .meta("mark"), mark), comparison, mark)
    }
}
