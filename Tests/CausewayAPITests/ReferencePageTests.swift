import Foundation
import Testing

@testable import CausewayAPI

/// docs/reference/api.md against the code: every call, every field, every test that it names.
///
/// `CAUSEWAY_ACCEPT=1` writes the generated part anew.
@Suite(.serialized) struct ReferencePageTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let page = root.appending(path: "docs/reference/api.md")
    private static let (begin, end) = ("<!-- fields: generated -->\n", "<!-- fields: end -->\n")

    @Test func `the page has every call that is answered here, and no other`() async throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let told = Set(
            text.split(separator: "\n").compactMap { row -> String? in
                guard row.hasPrefix("| `") else { return nil }
                let call = row.split(separator: "`")[1]
                return call.contains(" /") ? String(call) : nil
            })
        let calls = try await Self.calls()
        #expect(calls.subtracting(told).isEmpty, "not on the page")
        #expect(told.subtracting(calls).isEmpty, "on the page, and answered by nobody here")
    }

    @Test func `every test that the page names exists`() throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        var tests = ""
        let files = FileManager.default.enumerator(
            at: Self.root.appending(path: "Tests"), includingPropertiesForKeys: nil)
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            tests += try String(contentsOf: file, encoding: .utf8)
        }
        let named = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.compactMap { row -> String? in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard let last = cells.last, last.hasPrefix("*"), last.hasSuffix("*") else { return nil }
            return String(last.dropFirst().dropLast())
        }
        #expect(named.count > 30)
        for name in Set(named).sorted() { #expect(tests.contains("func `\(name)`"), "there is no test '\(name)'") }
    }

    @Test func `the page has every field as the code has it`() throws {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        let parts = text.components(separatedBy: Self.begin)
        let rest = try #require(parts.count == 2 ? parts[1].components(separatedBy: Self.end) : nil)
        let fields = Self.fields()
        if ProcessInfo.processInfo.environment["CAUSEWAY_ACCEPT"] != nil {
            let new = parts[0] + Self.begin + fields + Self.end + rest[1]
            try Data(new.utf8).write(to: Self.page)
        } else {
            #expect(rest[0] == fields, "out of date: run this test with CAUSEWAY_ACCEPT=1")
        }
    }

    private static func calls() async throws -> Set<String> {
        let found = AsyncStream.makeStream(of: [String].self)
        try await House.with(script: OwnRoutesTests.engine) { house in
            found.continuation.yield(house.calls.map { "\($0.method) \($0.path)" })
        }
        for await calls in found.stream { return Set(calls) }
        return []
    }

    // MARK: the generated part

    private static func fields() -> String {
        let bodies: [(String, BodySchema)] = [
            ("POST /services/create, POST /services/{id}/update", .service), ("POST /networks/create", .network),
            ("POST /secrets/create, POST /configs/create", .dependency), ("POST /swarm/init", .swarmInit),
            ("POST /swarm/update, Spec of POST /swarm/init", .cluster),
            ("POST /swarm/join", .swarmJoin), ("POST /nodes/{id}/update", .node),
        ]
        return bodies.map { name, schema in
            let leaves = schema.leaves()
            let taken = leaves.filter { $0.refusal == nil }.map { "`\($0.path)`" }.joined(separator: ", ")
            let refused = leaves.compactMap { leaf in leaf.refusal.map { "| `\(leaf.path)` | no: \($0) |\n" } }.joined()
            let table = refused.isEmpty ? "" : "\n| Refused | |\n| --- | --- |\n\(refused)"
            return "\n### `\(name)`\n\nTaken: \(taken).\n\(table)"
        }.joined() + "\n"
    }
}

extension BodySchema {
    /// Each field that has none below it, in order; what is refused with the word for it.
    fileprivate func leaves(_ path: String = "") -> [(path: String, refusal: String?)] {
        fields.sorted { $0.key < $1.key }.flatMap { name, field -> [(path: String, refusal: String?)] in
            let path = path.isEmpty ? name : "\(path).\(name)"
            switch field {
            case .value, .integer: return [(path, nil)]
            case .unsupported(let refusal): return [(path, refusal.flag)]
            case .object(let schema): return schema.leaves(path)
            case .list(let schema): return schema.leaves(path + "[]")
            }
        }
    }
}
