import CausewayKernel
import CausewayModel

/// The static chains of the table `inet causeway`, in the order in which a packet meets them.
struct HostRules {
    /// The source given to a task that reaches itself.
    let hairpinSource: [IPFamily: IPAddress]
    /// The port of the tunnel; absent for a node that is alone.
    var tunnelPort: UInt16?

    func chains() -> [Nft.Chain] {
        [
            sourceCheck, sourcesOfTask, prerouting, output, input, outputFilter, forward, taskTraffic, toTask, fromTask,
            accepted, gone, postrouting,
        ] + scopeChains + tunnelChains
    }

    var hasTunnel: Bool { tunnelPort != nil }

    // MARK: base chains

    /// Before conntrack, so that a forged packet leaves no entry.
    ///
    /// Every packet of the host meets this chain: it asks one thing.
    private var sourceCheck: Nft.Chain {
        Nft.Chain(
            name: "source_check", base: .init(.filter, .prerouting, priority: -300),
            rules: tunnelSources + [Nft.Rule([fromTaskLink, .verdict(.goto("sources_of_task"))])] + outerSources)
    }

    private var sourcesOfTask: Nft.Chain {
        Nft.Chain(
            name: "sources_of_task",
            rules: IPFamily.allCases.map { family in
                Nft.Rule(
                    [
                        .match(
                            .concatenation([.meta("iifname"), source(family)]), .notEqual,
                            .value(.set(SetNames(family).sources))),
                        .counter(), .verdict(.drop),
                    ],
                    comment: "a task sends from its own addresses only")
            })
    }

    /// From outside and from tasks: published ports of the host's own addresses, then virtual addresses.
    ///
    /// A virtual address without a task behind it says so at once. Here and not in a chain of its own, because only the
    /// first packet of a connection meets this one.
    private var prerouting: Nft.Chain {
        Nft.Chain(
            name: "prerouting", base: .init(.nat, .prerouting, priority: -100),
            rules: alreadyTranslated + [Nft.Rule([isToHost, .verdict(.jump("published"))])] + virtualRules
                + IPFamily.allCases.flatMap { family in
                    refusals(
                        [fromTaskLink, .match(destination(family), .equal, .value(.set(SetNames(family).virtual)))],
                        comment: "no task behind this virtual address")
                })
    }

    /// From the host itself, to its own addresses.
    ///
    /// A loopback address cannot leave the host, so it is left alone.
    private var output: Nft.Chain {
        Nft.Chain(
            name: "output", base: .init(.nat, .output, priority: -100),
            rules: notLoopback.map { Nft.Rule([$0, isToHost, .verdict(.jump("published"))]) })
    }

    /// A published port that was not translated: `unanswered` says why, and refuses it.
    ///
    /// What came to a loopback address is the keeper's to relay.
    private var input: Nft.Chain {
        Nft.Chain(
            name: "input", base: .init(.filter, .input, priority: -5),
            rules: tunnelInput
                + notLoopback.map {
                    Nft.Rule([
                        $0, stateIs("new"), .match(Self.port, .equal, .value(.set(SetNames.ports))),
                        .verdict(.goto("unanswered")),
                    ])
                })
    }

    /// One for each family, as no packet is of both.
    private var notLoopback: [Nft.Expression] {
        [
            .match(destination(.ip), .notEqual, .value(Self.prefix("127.0.0.0/8"))),
            .match(destination(.ip6), .notEqual, .value(Self.address("::1"))),
        ]
    }

    /// The host reaches a task through a published port only, like everybody outside the task's networks.
    ///
    /// A packet's link, `cw-gone` for one, is in this hook that of before its translation: targets say who is there.
    private var outputFilter: Nft.Chain {
        Nft.Chain(
            name: "output_filter", base: .init(.filter, .output, priority: -5),
            rules: IPFamily.allCases.flatMap { family in
                let names = SetNames(family)
                let isToTask = Nft.Expression.match(destination(family), .equal, .value(.set(names.tasks)))
                return [Nft.Rule([isTranslated, isTarget(family), .verdict(.accept)])]
                    + refusals([isToTask, isTranslated, isFirstWay], comment: "no task has this address")
                    + [
                        // New ones only: an error that the host sends about a task's packet belongs to no connection.
                        Nft.Rule(
                            [isToTask, stateIs("new"), .counter(), .reject(.icmp("icmpx", code: "admin-prohibited"))],
                            comment: "not published")
                    ]
            })
    }

    /// Before any iptables filter (priority 0): what we let through carries our mark there.
    private var forward: Nft.Chain {
        Nft.Chain(
            name: "forward", base: .init(.filter, .forward, priority: -5),
            rules: [fromTaskLink, toTaskLink].map { Nft.Rule([$0, .verdict(.goto("task_traffic"))]) })
    }

    /// A task that reaches itself must see another's address, or its answer would never leave it; and what leaves for
    /// the outside leaves with the host's address.
    private var postrouting: Nft.Chain {
        Nft.Chain(
            name: "postrouting", base: .init(.nat, .postrouting, priority: 100),
            rules: selfThroughPeer
                + IPFamily.allCases.flatMap { family in
                    let names = SetNames(family)
                    return [
                        Nft.Rule(
                            [
                                .match(
                                    .concatenation([.meta("iifname"), destination(family)]), .equal,
                                    .value(.set(names.sources))),
                                .snat(
                                    Nft.NAT(family: family, address: hairpinSource[family].map { .value(.address($0)) })
                                ),
                            ],
                            comment: "a task that reaches itself"),
                        Nft.Rule(
                            [
                                .match(source(family), .equal, .value(.set(names.tasks))),
                                .match(.meta("oifname"), .notEqual, .value(.name(Rtnl.linkPrefix + "*"))),
                                .masquerade(),
                            ],
                            comment: "to the outside"),
                    ]
                })
    }

    // MARK: chains that others go to

    /// In the order of how often each is met.
    private var taskTraffic: Nft.Chain {
        Nft.Chain(
            name: "task_traffic",
            rules: [
                toGone,
                Nft.Rule([stateIs("established"), .verdict(.goto("accepted"))]),
                Nft.Rule(
                    [stateIs("invalid"), .counter(), .verdict(.drop)], comment: "no connection it could belong to"),
                Nft.Rule([stateIs("related"), .verdict(.goto("accepted"))]),
                Nft.Rule([toTaskLink, .verdict(.goto("to_task"))]),
            ] + throughPeer + [Nft.Rule([.verdict(.goto("from_task"))])])
    }

    private var toTask: Nft.Chain {
        Nft.Chain(
            name: "to_task",
            rules: notHere
                + IPFamily.allCases.map { family in
                    Nft.Rule([isTranslated, isTarget(family), .verdict(.goto("accepted"))], comment: "published")
                }
                + publishedByPeer
                + IPFamily.allCases.map { family in
                    Nft.Rule(
                        [
                            fromTaskLink,
                            .match(
                                .concatenation([source(family), destination(family)]), .equal,
                                .value(.set(SetNames(family).networks))),
                            .verdict(.goto("accepted")),
                        ],
                        comment: "same network")
                }
                + refusals([fromTaskLink], code: "admin-prohibited", comment: "another network")
                + [Nft.Rule([.counter(), .verdict(.drop)], comment: "not published")])
    }

    private var fromTask: Nft.Chain {
        Nft.Chain(
            name: "from_task",
            rules: IPFamily.allCases.flatMap { family in
                refusals(
                    [.match(source(family), .equal, .value(.set(SetNames(family).internal)))], code: "admin-prohibited",
                    comment: "an internal network has no outside")
            } + [Nft.Rule([.verdict(.goto("accepted"))])])
    }

    /// Sets our bits of the mark and keeps the others'; the entry in DOCKER-USER looks for them.
    private var accepted: Nft.Chain {
        Nft.Chain(
            name: "accepted",
            rules: [
                Nft.Rule([
                    .set(
                        .meta("mark"),
                        to: .binary("|", .meta("mark"), .value(.number(UInt64(KernelState.acceptedMark))))),
                    .verdict(.accept),
                ])
            ])
    }

    /// An address of ours that no task has: before anything else, for a connection to it may have been there.
    private var toGone: Nft.Rule {
        Nft.Rule([.match(.meta("oifname"), .equal, .value(.name(Rtnl.goneLink))), .verdict(.goto("gone"))])
    }

    private var gone: Nft.Chain {
        Nft.Chain(name: "gone", rules: refusals([], comment: "no task has this address"))
    }

    // MARK: parts

    private var virtualRules: [Nft.Rule] {
        IPFamily.allCases.flatMap { family in
            SetNames.sizes.map { size in
                let key = Nft.Operand.concatenation([destination(family), .numgen(random: true, modulus: size)])
                let map = Nft.Operand.map(key: key, in: .set(SetNames(family).virtualMap(size)))
                return Nft.Rule(
                    [fromTaskLink, .dnat(Nft.NAT(family: family, address: map))], comment: "virtual address")
            }
        }
    }

    /// RST for TCP, an ICMP error for the rest.
    ///
    /// A TCP socket may not hear ICMP: what comes while connect(2) holds it is dropped (`tcp_v4_err`), a segment waits.
    func refusals(
        _ matches: [Nft.Expression], code: String = "port-unreachable", comment: String
    ) -> [Nft.Rule] {
        let isTCP = Nft.Expression.match(.meta("l4proto"), .equal, .value(.name("tcp")))
        return [
            Nft.Rule([isTCP] + matches + [.counter(), .reject(.tcpReset)], comment: comment),
            Nft.Rule(matches + [.counter(), .reject(.icmp("icmpx", code: code))], comment: comment),
        ]
    }

    /// The tunnel's link is one of these too: where that matters, it is asked for first.
    private var fromTaskLink: Nft.Expression {
        .match(.meta("iifname"), .equal, .value(.name(Rtnl.linkPrefix + "*")))
    }

    private var toTaskLink: Nft.Expression {
        .match(.meta("oifname"), .equal, .value(.name(Rtnl.linkPrefix + "*")))
    }

    var isToHost: Nft.Expression { .match(.fib(["daddr"], "type"), .equal, .value(.name("local"))) }

    private var isTranslated: Nft.Expression { .match(.ct("status"), .in, .value(.name("dnat"))) }

    /// Not the other: an error that the host sends about a task's packet to a virtual address goes by that connection.
    private var isFirstWay: Nft.Expression { .match(.ct("direction"), .equal, .value(.name("original"))) }

    func isTarget(_ family: IPFamily) -> Nft.Expression {
        .match(
            .concatenation([destination(family), .meta("l4proto"), .payload("th", "dport")]), .equal,
            .value(.set(SetNames(family).targets)))
    }

    func stateIs(_ state: String) -> Nft.Expression { .match(.ct("state"), .in, .value(.name(state))) }

    func source(_ family: IPFamily) -> Nft.Operand { .payload(family.rawValue, "saddr") }

    func destination(_ family: IPFamily) -> Nft.Operand { .payload(family.rawValue, "daddr") }

    private static func prefix(_ text: String) -> Nft.Value { CIDR(text).map { .prefix($0) } ?? .name(text) }

    private static func address(_ text: String) -> Nft.Value { IPAddress(text).map { .address($0) } ?? .name(text) }
}
