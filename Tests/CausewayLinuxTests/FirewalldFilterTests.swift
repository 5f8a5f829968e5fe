import CausewayModel
import Testing

@testable import CausewayLinux

@Suite struct `firewalld's own filter` {
    private typealias Rule = NetfilterSocket.RuleName

    private static let entry = "meta nfproto ipv4 meta mark & 0xfff0000 == 0xfff0000 accept comment \"causeway ip\""

    private static func filter(policies: [Rule]?, forward: [Rule] = [Rule(handle: 1), Rule(handle: 2)])
        -> FirewalldFilter
    {
        var rules = ["filter_FORWARD": forward]
        rules["filter_FORWARD_POLICIES_post"] = policies
        return FirewalldFilter(rules: rules)
    }

    @Test func `a table without the chains, as one that is being made, filters nothing`() {
        #expect(!FirewalldFilter(rules: [:]).isFiltering)
        #expect(FirewalldFilter(rules: [:]).additions(.ip).isEmpty)
    }

    @Test func `the entry comes after the policies of the user's`() {
        let empty = Self.filter(policies: [])
        #expect(empty.isFiltering)
        #expect(!empty.hasEntry(.ip))
        #expect(empty.additions(.ip) == ["add rule inet firewalld filter_FORWARD_POLICIES_post \(Self.entry)"])

        let ours = Rule(handle: 8, comment: "causeway ip")
        #expect(Self.filter(policies: [Rule(handle: 7), ours]).hasEntry(.ip))
        #expect(!Self.filter(policies: [Rule(handle: 7), ours]).hasEntry(.ip6))

        let late = Self.filter(policies: [ours, Rule(handle: 9, comment: "causeway ip6"), Rule(handle: 10)])
        #expect(!late.hasEntry(.ip))
        #expect(late.additions(.ip).first == "delete rule inet firewalld filter_FORWARD_POLICIES_post handle 8")
        #expect(late.additions(.ip).count == 2)
    }

    @Test func `where there is no such chain, the entry comes first in the forward chain`() {
        #expect(
            Self.filter(policies: nil).additions(.ip) == ["insert rule inet firewalld filter_FORWARD \(Self.entry)"])

        let (ip, ip6) = (Rule(handle: 8, comment: "causeway ip"), Rule(handle: 9, comment: "causeway ip6"))
        let both = Self.filter(policies: nil, forward: [ip6, ip, Rule(handle: 1)])
        #expect(IPFamily.allCases.allSatisfy(both.hasEntry))
        #expect(!Self.filter(policies: nil, forward: [Rule(handle: 1), ip]).hasEntry(.ip))
    }

    @Test func `two entries are made one, and none is left behind`() {
        let ours = Rule(handle: 8, comment: "causeway ip")
        let doubled = Self.filter(policies: [ours], forward: [Rule(handle: 3, comment: "causeway ip")])

        #expect(!doubled.hasEntry(.ip))
        #expect(
            doubled.deletions(.ip) == [
                "delete rule inet firewalld filter_FORWARD handle 3",
                "delete rule inet firewalld filter_FORWARD_POLICIES_post handle 8",
            ])
    }

    @Test(
        arguments: [
            ([0, 3, 97, 98, 0], "ab"), ([1, 1, 9, 0, 2, 97, 0], "a"), ([0, 9, 97], nil), ([0], nil),
            ([], nil), ([7, 255], nil),
        ] as [([UInt8], String?)])
    func `a comment is read from user data, whatever others have put there`(bytes: [UInt8], comment: String?) {
        #expect(NetfilterSocket.comment(bytes[...]) == comment)
    }
}
