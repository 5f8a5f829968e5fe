import Foundation

/// A strict reader of Prometheus' text format, version 0.0.4: what it accepts, every reader does.
package struct ExpositionParser {
    package struct Failure: Error, CustomStringConvertible {
        package var line: Int
        package var why: String
        package var description: String { "line \(line): \(why)" }
    }

    package struct Sample: Hashable {
        package var name: String
        package var labels: [String: String]
        package var value: Double
    }

    package var types: [String: String] = [:]
    package var samples: [Sample] = []

    package init(_ text: String) throws {
        guard text.isEmpty || text.hasSuffix("\n") else { throw Failure(line: 0, why: "does not end with a line feed") }
        var helped: Set<String> = []
        var closed: Set<String> = []
        var current = ""
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().enumerated() {
            func fail(_ why: String) -> Failure { Failure(line: index + 1, why: "\(why): \(line)") }
            if line.hasPrefix("# ") {
                let words = line.split(separator: " ", maxSplits: 3).map(String.init)
                guard words.count == 4, Self.isName(words[2]) else { throw fail("not a comment of ours") }
                if words[1] == "HELP" {
                    guard helped.insert(words[2]).inserted else { throw fail("a second HELP") }
                    closed.insert(current)
                    current = words[2]
                } else {
                    guard words[1] == "TYPE", words[2] == current, types[current] == nil,
                        ["counter", "gauge", "histogram"].contains(words[3])
                    else { throw fail("TYPE out of place") }
                    types[current] = words[3]
                }
                continue
            }
            guard let sample = try Self.sample(String(line)) else { throw fail("not a sample") }
            let family = types[current] == "histogram" ? Self.family(sample.name) : sample.name
            guard family == current, types[current] != nil, !closed.contains(family) else {
                throw fail("apart from its family")
            }
            guard !samples.contains(where: { $0.name == sample.name && $0.labels == sample.labels }) else {
                throw fail("twice")
            }
            samples.append(sample)
        }
        try checkHistograms()
        for (name, type) in types where type == "counter" && !name.hasSuffix("_total") {
            throw Failure(line: 0, why: "the counter \(name) does not end in _total")
        }
    }

    package func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples.first { $0.name == name && $0.labels == labels }?.value
    }

    private static func family(_ name: String) -> String {
        for ending in ["_bucket", "_sum", "_count"] where name.hasSuffix(ending) {
            return String(name.dropLast(ending.count))
        }
        return name
    }

    private static func isName(_ text: String) -> Bool { text.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil }

    private static func sample(_ line: String) throws -> Sample? {
        guard let match = line.wholeMatch(of: /([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? ([^ ]+)/),
            let value = Double(match.4.replacing("Inf", with: "infinity"))
        else { return nil }
        var labels: [String: String] = [:]
        var rest = Substring(match.3 ?? "")
        while !rest.isEmpty {
            guard let pair = rest.prefixMatch(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/),
                labels.updateValue(String(pair.2), forKey: String(pair.1)) == nil
            else { return nil }
            rest = rest[pair.range.upperBound...]
            if pair.3 == ",", rest.isEmpty { return nil }
        }
        return Sample(name: String(match.1), labels: labels, value: value)
    }

    /// Buckets rise, the last one is `+Inf`, and it is the count.
    private func checkHistograms() throws {
        for (name, _) in types where types[name] == "histogram" {
            var groups: [[String: String]: [Sample]] = [:]
            for sample in samples where sample.name == "\(name)_bucket" {
                groups[sample.labels.filter { $0.key != "le" }, default: []].append(sample)
            }
            for (labels, buckets) in groups {
                guard buckets.last?.labels["le"] == "+Inf",
                    zip(buckets, buckets.dropFirst()).allSatisfy({ $0.value <= $1.value }),
                    buckets.last?.value == value("\(name)_count", labels), value("\(name)_sum", labels) != nil
                else { throw Failure(line: 0, why: "the histogram \(name) \(labels) is not one") }
            }
        }
    }
}
