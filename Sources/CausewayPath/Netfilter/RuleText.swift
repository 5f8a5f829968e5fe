import CausewayKernel

/// How a rule is shown: as nft prints it, without the comment, which is shown apart, and without counters.
enum RuleText {
    static func of(_ rule: Nft.Rule) -> String {
        var bare = rule
        bare.comment = nil
        bare.expressions.removeAll { if case .counter = $0 { true } else { false } }
        return bare.text
    }
}
