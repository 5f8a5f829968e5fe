import Testing

@testable import CausewayLinux

@Suite struct `Forward filter` {
    private static let ours = "-m mark --mark 0xfff0000/0xfff0000 -m comment --comment causeway -j ACCEPT"

    private func filter(_ policy: String = "DROP", _ rules: String...) -> ForwardFilter {
        ForwardFilter(
            save: """
                *filter
                :INPUT DROP [0:0]
                :FORWARD \(policy) [0:0]
                :DOCKER-USER - [0:0]
                \(rules.map { "-A \($0)\n" }.joined())COMMIT
                *nat
                :FORWARD DROP [0:0]
                COMMIT
                """)
    }

    @Test func `a host that filters nothing needs no entry`() {
        #expect(!filter("ACCEPT").isFiltering)
        #expect(!filter("ACCEPT", "FORWARD \(Self.ours)").isFiltering)
        #expect(filter("DROP").isFiltering)
        #expect(filter("ACCEPT", "FORWARD -s 192.0.2.1/32 -j DROP").isFiltering)
    }

    @Test func `Docker's chain for users gets the entry directly before its final RETURN`() {
        let docker = filter(
            "DROP", "FORWARD -j DOCKER-USER", "DOCKER-USER -s 192.0.2.1/32 -j DROP", "DOCKER-USER -j RETURN")

        #expect(docker.additions == [["-I", "DOCKER-USER", "2"] + ForwardFilter.entry])
        #expect(!docker.hasEntry)
    }

    @Test func `without a RETURN, and without Docker, the entry comes last`() {
        #expect(
            filter("DROP", "FORWARD -j DOCKER-USER", "DOCKER-USER -j LOG").additions.last?.prefix(2)
                == ["-A", "DOCKER-USER"])
        #expect(filter("DROP", "FORWARD -j ufw-forward").additions.last?.prefix(2) == ["-A", "FORWARD"])
    }

    @Test func `Docker's chain that nobody jumps to is not the place`() {
        #expect(filter("DROP", "DOCKER-USER -j RETURN").additions.last?.prefix(2) == ["-A", "FORWARD"])
    }

    @Test func `an entry above a user's rule is moved below it`() {
        let misplaced = filter("DROP", "FORWARD \(Self.ours)", "FORWARD -s 192.0.2.1/32 -j DROP")

        #expect(!misplaced.hasEntry)
        #expect(
            misplaced.additions == [["-D", "FORWARD"] + ForwardFilter.entry, ["-A", "FORWARD"] + ForwardFilter.entry])
    }

    @Test func `two entries are made one`() {
        let doubled = filter(
            "DROP", "FORWARD -j DOCKER-USER", "DOCKER-USER \(Self.ours)", "DOCKER-USER -j RETURN",
            "FORWARD \(Self.ours)")

        #expect(!doubled.hasEntry)
        #expect(
            doubled.additions == [
                ["-D", "DOCKER-USER"] + ForwardFilter.entry, ["-D", "FORWARD"] + ForwardFilter.entry,
                ["-I", "DOCKER-USER", "1"] + ForwardFilter.entry,
            ])
    }

    @Test func `an entry in its place is left there`() {
        #expect(
            filter(
                "DROP", "FORWARD -j DOCKER-USER", "DOCKER-USER -j LOG", "DOCKER-USER \(Self.ours)",
                "DOCKER-USER -j RETURN"
            )
            .hasEntry)
        #expect(filter("DROP", "FORWARD \(Self.ours)").hasEntry)
    }
}
