import Foundation
import Testing

@testable import causewayd

@Suite struct `What sysctls were before` {
    @Test func `knows a setting that was not there, and has nothing to put back for it`() throws {
        let path = "\(FileManager.default.temporaryDirectory.path)/sysctls-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let journal = SysctlJournal(path: path)

        try journal.record(["net.ipv4.ip_forward", "net.ipv4.conf.no-such-link.src_valid_mark"])
        #expect(try journal.names() == ["net.ipv4.conf.no-such-link.src_valid_mark", "net.ipv4.ip_forward"])

        let kept = try JSONDecoder().decode(
            [String: String?].self, from: try #require(FileManager.default.contents(atPath: path)))
        #expect(kept["net.ipv4.conf.no-such-link.src_valid_mark"] == .some(nil))
        #expect(kept["net.ipv4.ip_forward"] != .some(nil))
    }

    @Test func `is read as an earlier release wrote it`() throws {
        let path = "\(FileManager.default.temporaryDirectory.path)/sysctls-\(UInt64.random(in: 0...UInt64.max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(#"{"net.ipv4.ip_forward":"1"}"#.utf8).write(to: URL(fileURLWithPath: path))

        #expect(try SysctlJournal(path: path).names() == ["net.ipv4.ip_forward"])
    }
}
