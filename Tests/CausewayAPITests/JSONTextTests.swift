import NIOCore
import Testing

@testable import CausewayAPI

/// JSON that is handed on as it was written.
@Suite struct JSONTextTests {
    private func read(_ text: String) -> JSONText? { JSONText(ByteBuffer(string: text)) }

    @Test(arguments: [
        "{}", "[]", " {\"a\" : [1, 2.50, -0, 1E400, 18446744073709551616] , \"b\":null}\n", "\"\\u00e9\\\"\"", "true",
        "-1.0e-7",
        "{\"a\":{\"b\":[{},[[]],\"}\"]}}",
    ]) func `what is well formed is read`(_ text: String) {
        #expect(read(text) != nil)
    }

    @Test(arguments: [
        "", " ", "{", "}", "{]", "[}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "[,]", "{a:1}", "\"", "\"a",
        "\"a\\", "\"a\\\"",
        "{} {}", "{}x", "[1 2]", "{\"a\" 1}", "\"\u{1}\"", "{\"a\":1 \"b\":2}",
    ]) func `what is not well formed is not`(_ text: String) {
        #expect(read(text) == nil)
    }

    @Test func `nesting without end is refused, not followed`() {
        #expect(read(String(repeating: "[", count: 100_000)) == nil)
        #expect(read(String(repeating: "{\"a\":", count: 100_000)) == nil)
        let deep = String(repeating: "[", count: 400) + String(repeating: "]", count: 400)
        #expect(read(deep)?.list?.count == 1)
    }

    @Test func `a changed member stays in its place and the others stay as they were`() throws {
        var object = try #require(read(#"{"z": 1.50 ,"b":{"c" :[ 1 ]},"a":"\u00e9"}"#)?.object)
        object["b"] = try JSONText(encoding: [1])
        object["new"] = try JSONText(encoding: "n")

        #expect(String(buffer: JSONText(object).buffer) == #"{"z":1.50,"b":[1],"a":"\u00e9","new":"n"}"#)
        object["z"] = nil
        #expect(String(buffer: JSONText(object).buffer) == #"{"b":[1],"a":"\u00e9","new":"n"}"#)
    }

    @Test func `names are found in any case, escaped too, and the last of several counts`() throws {
        var object = try #require(read(#"{"hostconfig":1,"HostConfig":2,"\u0048ostConfiG":3,"Hostconfi@":4}"#)?.object)
        #expect(object["HostConfig"]?.value() == 3)

        object["HostConfig"] = try JSONText(encoding: 5)
        #expect(String(buffer: JSONText(object).buffer) == #"{"hostconfig":5,"Hostconfi@":4}"#)
    }

    @Test func `text is what was meant`() {
        #expect(read(#""a\nb\u00e9""#)?.text == "a\nbé")
        #expect(read("1")?.text == nil)
        #expect(read(#"{"a\u002fb":1}"#)?.object?.named.map(\.name) == ["a/b"])
    }
}
