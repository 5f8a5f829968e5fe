import CausewayTestKit
import Foundation

@testable import CausewayAPI

extension SeededGenerator {
    mutating func pick<T>(_ items: [T]) -> T { items[Int(next() % UInt64(items.count))] }

    mutating func oneIn(_ count: UInt64) -> Bool { next() % count == 0 }
}

/// Values that a field may not have expected.
enum Hostile {
    static let json: [String] = [
        "null", "true", "-1", "0", "1.5", "1e308", "1e999", "-9223372036854775808", "9223372036854775807",
        "18446744073709551616", #""""#, #""x""#, #""\u0000""#, #""a\u0000b""#, #""\ud800""#, #""../../etc/passwd""#,
        #""\u202e\u200b\ud83d\ude80""#, #""{{.Service.Name}}{{""#, #""%00%n%s""#, #""\r\nX: y""#, "[]", "[null]", "{}",
        #"{"":null}"#, #"{"a":{"a":{"a":[]}}}"#, "[[[[[[1]]]]]]", #"["x","x"]"#, #"{"Mode":7}"#, "[{}]",
    ]

    static let words: [String] = [
        "", "x", "web", "nosuch", "%00", "%2e%2e%2f%2e%2e", "%0d%0aX:y", "a%20b", "%f0%9f%9a%80", "%", "%zz", "-1", "0",
        "18446744073709551616", "true", "*", "'\"", String(repeating: "a", count: 3000), "{}", "[]", "null",
        "%7B%22id%22%3A%5B%22x%22%5D%7D", "%7B%22bogus%22%3A%7B%22x%22%3Atrue%7D%7D", "%7B%22label%22%3A5%7D",
        "%7B%22name%22%3A%5B5%5D%7D", "%7B%22desired-state%22%3A%5B%22x%22%5D%7D", "%5B%5D", "9999999999.9999999999",
        "2026-13-45T99:99:99Z", "-9223372036854775808",
    ]

    static let versions: [String] = [
        "", "/v1.41", "/v1.50", "/v1.24", "/v1.99", "/v0.1", "/v1", "/vx.y", "/v99999999999999999999.1", "/v1.-1",
    ]

    static let parameters: [String] = [
        "filters", "version", "force", "scope", "verbose", "status", "insertDefaults", "rollback", "since", "tail",
        "stdout", "stderr", "timestamps", "details", "rotateWorkerToken", "rotateManagerToken",
        "rotateManagerUnlockKey",
        "registryAuthFrom", "name", "all", "limit", "size", "v", "bogus",
    ]

    /// Headers that come twice, contradict each other, or are none.
    static let headers: [String] = [
        "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 7", "Content-Length: -1",
        "Content-Length: 99999999999999999999", "Content-Length: 0x10",
        "Transfer-Encoding: chunked\r\nContent-Length: 4", "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, chunked",
        "X-Registry-Auth: not base64!", "X-Registry-Auth: e30=", "Expect: 200-maybe", "no colon here", ": no name",
        "X-\u{0}: x", "X: a\u{0}b", " X: folded", "Upgrade: tcp\r\nConnection: Upgrade", "Content-Type: text/html",
        "Host: a\r\nHost: b", "X: " + String(repeating: "y", count: 20_000),
    ]
}

extension BodySchema {
    /// Every place in a body of this kind: the names that lead there, and what a request with nothing else there is.
    var places: [[String]] {
        fields.sorted { $0.key < $1.key }.flatMap { name, field -> [[String]] in
            switch field {
            case .object(let schema), .list(let schema): [[name]] + schema.places.map { [name] + $0 }
            default: [[name]]
            }
        }
    }

    /// JSON that has `value` at a place and nothing else, laid over `base`.
    func body(_ value: String, at place: [String], over base: [String: String] = [:]) -> String {
        guard let name = place.first else { return value }
        var texts = base
        texts[name] = inner(value, fields[name], Array(place.dropFirst()))
        return "{" + texts.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    }

    private func inner(_ value: String, _ field: Field?, _ rest: [String]) -> String {
        guard !rest.isEmpty else { return value }
        // A service without an image is refused for that before anything else is looked at.
        let image = rest.first == "ContainerSpec" && rest.count > 1
        switch field {
        case .object(let schema):
            guard image, case .object(let container) = schema.fields["ContainerSpec"] ?? .value else {
                let needed = schema.fields["ContainerSpec"] == nil ? [:] : ["ContainerSpec": #"{"Image":"i"}"#]
                return schema.body(value, at: rest, over: needed)
            }
            return #"{"ContainerSpec":"# + container.body(value, at: Array(rest.dropFirst()), over: ["Image": #""i""#])
                + "}"
        case .list(let schema): return "[" + schema.body(value, at: rest) + "]"
        default: return value
        }
    }
}
