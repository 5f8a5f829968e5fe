import CausewayModel
import Testing

@testable import CausewayAPI

/// Filters as moby 20.10 has them.
struct FilterTests {
    @Test(arguments: [
        ("^web$", "web", true), ("^web$", "webnet", false), ("web", "my-web-net", true), ("^we", "web", true),
        ("b$", "web", true), ("b$", "webs", false), ("w.b", "web", true), ("a|web$", "xweb", true),
        ("^(front|back)_[0-9]+$", "back_17", true), ("^(front|back)_[0-9]+$", "back_", false),
        ("^[a-c]{2,3}$", "abc", true), ("^[a-c]{2,3}$", "abca", false), ("^a{2}$", "aa", true), ("^a{2,}$", "a", false),
        ("x*", "", true), ("^$", "", true), ("^$", "a", false), (#"\d\.\w"#, "v1.x", true), (#"^\S+$"#, "a b", false),
        ("(?i)WEB", "web", true), ("WEB", "web", false), ("^[^a]", "a", false), ("^[[:alpha:]-]+$", "a-b", true),
        ("a{,2}", "a{,2}", true), ("é.x", "éüx", true), ("", "web", true), ("(?:ab)+c", "ababc", true),
        ("a+?$", "aaa", true),
        // No patterns in Go: they match nothing.
        ("[a", "[a", false), ("(a", "(a", false), ("a)", "a)", false), ("*a", "*a", false), ("a**", "a", false),
        ("a{1001}", "a", false), (#"\q"#, "q", false), ("((a{1000}){1000}){1000}", "a", false),
    ]) func `a name is searched as Go's expressions do`(_ pattern: String, _ text: String, _ isFound: Bool) {
        #expect((NamePattern(pattern)?.isFound(in: text) ?? false) == isFound)
    }

    @Test func `a hostile pattern takes no longer than its length`() {
        let text = String(repeating: "a", count: 200)
        let start = ContinuousClock.now
        for pattern in ["(a+)+$b", "(a|a)*b", "(a*)*b", String(repeating: "(", count: 50_000), "(.*)*(.*)*(.*)*x"] {
            #expect(NamePattern(pattern)?.isFound(in: text) != true)
        }
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func `a label may be named, with a value, or with nothing behind its sign`() throws {
        let labels = ["tier": "front", "empty": ""]
        func filters(_ label: String) throws -> Filters {
            try Filters(Query("filters=%7B%22label%22%3A%5B%22\(label)%22%5D%7D"))
        }
        for (label, swarm, strict) in [
            ("tier", true, true), ("tier=front", true, true), ("tier=", true, false), ("tier=back", false, false),
            ("none", false, false), ("empty=", true, true), ("front", false, false),
        ] {
            #expect(try filters(label).allows(swarmLabels: labels) == swarm, "\(label)")
            #expect(try filters(label).allows(labels: labels) == strict, "\(label)")
        }
    }

    @Test(arguments: [
        (#"{"service":["web"]}"#, true), (#"{"service":["we"]}"#, true), (#"{"service":["svc1"]}"#, true),
        (#"{"service":["other"]}"#, false), (#"{"service":["other","web"]}"#, true), (#"{"node":["web"]}"#, true),
        (#"{"type":["service"],"event":["update"]}"#, true), (#"{"type":["node"]}"#, false),
        (#"{"event":["create"]}"#, false), (#"{"scope":["swarm"]}"#, true), (#"{"scope":["local"]}"#, false),
        (#"{"label":["replicas.new=3"]}"#, true), (#"{"label":["replicas.new"]}"#, true),
        (#"{"label":["replicas.new=4"]}"#, false), (#"{"container":["c1"]}"#, false), (#"{"image":["nginx"]}"#, false),
        (#"{"daemon":["web"]}"#, true), ("{}", true),
    ]) func `an event is chosen as moby does`(_ filters: String, _ isChosen: Bool) throws {
        var query = ""
        for byte in filters.utf8 { query += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        let selection = try EventSelection(Query(Substring("filters=\(query)")))
        let event = SwarmEvent(
            kind: .service, action: .update, id: "svc1svc1", attributes: ["name": "web", "replicas.new": "3"],
            time: Timestamp(seconds: 1))
        #expect((selection.wantsSwarm && selection.contains(event)) == isChosen)
    }
}
