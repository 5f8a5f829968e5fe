import Testing

@testable import causeway_oci

@Suite struct BundleConfigTests {
    private func joined(_ config: String, path: String = "/run/netns/cw-web") throws -> String {
        String(decoding: try BundleConfig.joining(path, in: Array(config.utf8)), as: UTF8.self)
    }

    @Test func `the network namespace gets its path, Docker's hook goes, and every other byte stays`() throws {
        let config = """
            {"ociVersion":"1.0.2-dev", "big":12345678901234567890.50e+1, "unknown":{"\\u00e9":[ ]},
             "hooks":{"prestart":[{"path":"/proc/7/exe","args":["libnetwork-setkey","-exec-root=/x","id"]}, {"path":"/h"} ],
                      "poststop":[{"path":"/p","args":["libnetwork-setkey"]}]},
             "linux":{"namespaces":[{"type":"mount"}, {"type":"network"},{"type":"pid"}],"rootfsPropagation":"slave"}}
            """

        #expect(
            try joined(config) == """
                {"ociVersion":"1.0.2-dev", "big":12345678901234567890.50e+1, "unknown":{"\\u00e9":[ ]},
                 "hooks":{"prestart":[{"path":"/h"}],
                          "poststop":[{"path":"/p","args":["libnetwork-setkey"]}]},
                 "linux":{"namespaces":[{"type":"mount"}, {"type":"network","path":"/run/netns/cw-web"},{"type":"pid"}],"rootfsPropagation":"slave"}}
                """)
    }

    @Test(arguments: [
        (
            #"{"linux":{"namespaces":[{"path":"/proc/1/ns/net","type":"network"}]}}"#,
            #"{"linux":{"namespaces":[{"path":"/n","type":"network"}]}}"#
        ),
        (
            #"{"linux":{"namespaces":[{"type":"pid"}]}}"#,
            #"{"linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/n"}]}}"#
        ),
        (#"{"linux":{"namespaces":[ ]}}"#, #"{"linux":{"namespaces":[ {"type":"network","path":"/n"}]}}"#),
        (#"{"linux":{}}"#, #"{"linux":{"namespaces":[{"type":"network","path":"/n"}]}}"#),
        (
            #"{"linux":{"x":1,"namespaces":null}}"#,
            #"{"linux":{"x":1,"namespaces":[{"type":"network","path":"/n"}]}}"#
        ),
        (
            #"{"hooks":{"createRuntime":[{"args":["libnetwork\u002dsetkey"]}]},"linux":{"namespaces":[{"t\u0079pe":"network"}]}}"#,
            #"{"hooks":{"createRuntime":[]},"linux":{"namespaces":[{"t\u0079pe":"network","path":"/n"}]}}"#
        ),
    ])
    func `every shape of the configuration ends with one network namespace`(before: String, after: String) throws {
        #expect(try joined(before, path: "/n") == after)
        #expect(try joined(after, path: "/n") == after)
    }

    @Test func `a path is quoted as JSON wants it`() throws {
        #expect(
            try joined(#"{"linux":{"namespaces":[{"type":"network"}]}}"#, path: "/a\"\\b\u{1}é")
                == #"{"linux":{"namespaces":[{"type":"network","path":"/a\"\\b\u0001é"}]}}"#)
    }

    @Test(arguments: [
        "", "{", "[1,]", #"{"a":}"#, #"{"a" 1}"#, #"{"linux":{}} x"#, #"{"linux":[]}"#, "{}", "nul", "--1", "01x",
        #"{"a":"\x"}"#, #"{"a":"\u12g4"}"#, "{\"a\":\"\n\"}", #"{"a":"x"#, #"{"a":1,}"#,
        String(repeating: "[", count: 200) + String(repeating: "]", count: 200),
    ])
    func `what is no Linux container's configuration is refused`(config: String) {
        #expect(throws: JSONText.Malformed.self) { try joined(config) }
    }

    @Test func `any text cut short anywhere is refused and never crashes`() throws {
        let config = #"{"a":[1,-2.5e3,"\u00e9\n",true,null,{"b":{}}],"linux":{"namespaces":[{"type":"network"}]}}"#

        for length in 0..<config.utf8.count {
            #expect(throws: JSONText.Malformed.self, "\(length)") { try joined(String(config.prefix(length))) }
        }
        _ = try joined(config)
    }

    @Test func `the log is in the form that Docker reads back`() {
        #expect(
            RuntimeLog.line("no \"x\"", time: RuntimeLog.timestamp(1_700_000_000), isJSON: true)
                == #"{"level":"error","msg":"causeway-oci: no \"x\"","time":"2023-11-14T22:13:20Z"}"# + "\n")
    }
}
