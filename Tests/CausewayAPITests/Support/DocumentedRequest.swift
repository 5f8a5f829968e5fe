import CausewayTestKit

/// A request made from what Docker's document says of a call, and of what is wrong with it.
struct DocumentedRequest {
    /// What is wrong; each with every call.
    enum Fault: CaseIterable {
        case none, chunked
        case wrongType, null, missing, hugeNumber, negative, notANumber, wrongWord
        case deep, unknownField, doubledField, otherCase, overlong, rawControl, escapes, badUTF8
        case noBody, cutBody, twoBodies, emptyBody
        case nameWithSlash, nameWithEscapes, nameOverlong, query, doubledQuery
        case wrongMethod, wrongVersion, wrongContentType, header
        case cutChunk, badChunk, lengthTooLarge, lengthTooSmall, oversizedBody, oversizedHead
    }

    var call: EngineAPI.Call
    var fault: Fault
    var bytes: [UInt8]
    /// Docker reads no such body, whatever the call makes of it.
    var mustBeRefused = false

    /// The largest body that the server under test takes.
    static let bodyLimit = 256 << 10

    /// With what has to be there: `names` for paths, by their first word, the least of a body, and of a query.
    init(
        to call: EngineAPI.Call, with fault: Fault, names: [String: String], minimal: Sketch, query: [String],
        _ dice: inout SeededGenerator
    ) {
        self.call = call
        self.fault = fault
        let body = Body(call, fault, minimal, &dice)
        mustBeRefused = call.body != nil && body.isUnreadable
        let target = Target(call, fault, names, query, &dice)
        var method = call.method
        if fault == .wrongMethod { method = dice.pick(["PUT", "PATCH", "BREW", "TRACE", "get", "PROPFIND"]) }
        var head = ["\(method) \(target.text) HTTP/1.1", "Host: d", "Connection: close"]
        let types = [
            "text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "a/b; c=\"\u{e9}",
        ]
        head.append("Content-Type: \(fault == .wrongContentType ? dice.pick(types) : "application/json")")
        if call.parameters(in: "header").contains(where: { $0.name == "X-Registry-Auth" }), dice.oneIn(3) {
            head.append("X-Registry-Auth: \(dice.pick(["e30=", "e30", "not base64!", "", "bm8=", "W10="]))")
        }
        if fault == .header { head.append(dice.pick(Hostile.headers)) }
        if fault == .oversizedHead {
            head += (0..<3000).map { "X-\($0): " + String(repeating: "y", count: 40) }
        }
        let framed = Self.framed(body.bytes, fault, &dice)
        if let header = framed.header { head.append(header) }
        mustBeRefused = mustBeRefused || call.body != nil && framed.isUnreadable
        bytes = Array((head.joined(separator: "\r\n") + "\r\n\r\n").utf8) + framed.bytes
    }

    /// On one line.
    var description: String {
        let text = bytes.prefix(1500).map { (0x20..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "\\\($0)" }
        return "\(fault) in \(call.name): \(text.joined())"
    }

    private static func framed(
        _ body: [UInt8], _ fault: Fault, _ dice: inout SeededGenerator
    ) -> (header: String?, bytes: [UInt8], isUnreadable: Bool) {
        let chunked = "Transfer-Encoding: chunked"
        let whole = chunk(body) + Array("0\r\n\r\n".utf8)
        switch fault {
        case .chunked: return (chunked, whole, false)
        case .cutChunk: return (chunked, Array(whole.prefix(Int(dice.next() % UInt64(whole.count)))), true)
        case .badChunk:
            let bad = dice.pick([
                "zz\r\n", "-1\r\n", "ffffffffffffffff\r\n", "\r\n", "5;\0\r\n{}", "1\r\n{}}}\r\n0\r\n\r\n",
            ])
            return (chunked, Array(bad.utf8), true)
        case .lengthTooLarge: return ("Content-Length: \(body.count + 1 + Int(dice.next() % 1000))", body, true)
        case .lengthTooSmall: return ("Content-Length: \(body.count / 2)", body, false)
        case .oversizedBody:
            let large = [UInt8](repeating: 0x20, count: bodyLimit + 1) + body
            if dice.oneIn(2) { return (chunked, chunk(large) + Array("0\r\n\r\n".utf8), true) }
            return ("Content-Length: \(large.count)", large, true)
        case .noBody: return (nil, [], false)
        case .header: return (nil, body, false)
        default: return ("Content-Length: \(body.count)", body, false)
        }
    }

    private static func chunk(_ body: [UInt8]) -> [UInt8] {
        guard !body.isEmpty else { return [] }
        return Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n".utf8)
    }
}
