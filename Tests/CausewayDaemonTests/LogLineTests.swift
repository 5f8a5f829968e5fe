import CausewayModel
import Foundation
import Logging
import Testing

@testable import causewayd

@Suite struct `A line of the log` {
    private func line(_ message: String, _ metadata: Logger.Metadata = [:]) -> LogLine {
        LogLine(
            time: Timestamp(seconds: 1_800_000_000, nanoseconds: 7_000_000), level: .warning, label: "causewayd.agent",
            message: message, metadata: metadata)
    }

    @Test func `has time, level, part, words and fields, by key`() {
        let text = line("repaired", ["steps": "3", "namespace": "cw-web.1 here", "empty": ""]).text()

        #expect(
            text == "2027-01-15T08:00:00.007Z WARNING causewayd.agent: repaired empty=\"\" "
                + "namespace=\"cw-web.1 here\" steps=3")
        #expect(line("repaired").text(hasTime: false) == "WARNING causewayd.agent: repaired")
    }

    @Test func `stays one line, whatever is in it`() throws {
        let hostile = line("two\nlines\u{1b}[2J", ["k": "a\n\"b\"\\\u{0}"])

        #expect(!hostile.text().contains("\n") && !hostile.text().contains("\u{1b}"))
        let read = try #require(
            JSONSerialization.jsonObject(with: Data(hostile.json().utf8)) as? [String: Any])
        #expect(!hostile.json().contains("\n"))
        #expect(read["message"] as? String == "two\nlines\u{1b}[2J")
        #expect((read["fields"] as? [String: String])?["k"] == "a\n\"b\"\\\u{0}")
        #expect(read["level"] as? String == "warning")
        #expect(read["time"] as? String == "2027-01-15T08:00:00.007Z")
    }

    @Test func `holds no secret`() {
        let text = line(
            "join with SWMTKN-1-abc-def, please",
            ["worker_token": "x1", "error": "bad SWMTKN-1-aa-bb", "Authorization": "x2", "password": "x3"]
        ).json()

        for secret in ["abc", "aa-bb", "x1", "x2", "x3"] { #expect(!text.contains(secret), "\(text)") }
    }
}

@Suite struct `An address to listen on` {
    @Test func `is an address and a port, and nothing else`() {
        #expect(ListenAddress("127.0.0.1:9323")?.port == 9323)
        #expect(ListenAddress("[::1]:9323")?.host == "::1")
        for wrong in ["", "9323", ":9323", "localhost:9323", "::1:9323", "[127.0.0.1]:1", "127.0.0.1:0", "127.0.0.1:x"]
        {
            #expect(ListenAddress(wrong) == nil, "\(wrong)")
        }
    }
}
