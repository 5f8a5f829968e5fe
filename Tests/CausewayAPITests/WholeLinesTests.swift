import NIOCore
import Testing

@testable import CausewayAPI

@Suite struct WholeLinesTests {
    @Test func `pieces that end within a line wait for the rest of it`() {
        var lines = WholeLines()

        #expect(lines.take(ByteBuffer(string: "{\"a\":")) == nil)
        #expect(lines.take(ByteBuffer(string: "1}\n{\"b\"")).map(String.init(buffer:)) == "{\"a\":1}\n")
        #expect(lines.take(ByteBuffer(string: ":2}\n{}\n")).map(String.init(buffer:)) == "{\"b\":2}\n{}\n")
        #expect(lines.finish() == nil)
    }

    @Test func `a last line without an end is kept`() {
        var lines = WholeLines()

        #expect(lines.take(ByteBuffer(string: "tail")) == nil)
        #expect(lines.finish().map(String.init(buffer:)) == "tail")
    }
}
