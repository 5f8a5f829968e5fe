/// Metrics in the text that Prometheus reads (exposition format 0.0.4).
///
/// A family's samples stand together below its HELP and TYPE, sorted by their labels, so that two readings of the same
/// state are the same text.
package struct Exposition: Sendable {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package typealias Labels = [String: String]

    package struct Sample: Sendable {
        package var labels: Labels
        package var value: Double

        package init(_ labels: Labels, _ value: Double) {
            self.labels = labels
            self.value = value
        }

        package init(_ labels: Labels, _ value: some BinaryInteger) { self.init(labels, Double(value)) }
    }

    /// What this says to be in the header `Content-Type`.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    package private(set) var text = ""

    package init() {}

    /// A value that rises only, with a name that ends in `_total`.
    package mutating func counter(_ name: String, _ help: String, _ samples: [Sample]) {
        family(name, help, .counter, samples)
    }

    /// A value that rises and falls.
    package mutating func gauge(_ name: String, _ help: String, _ samples: [Sample]) {
        family(name, help, .gauge, samples)
    }

    package mutating func counter(_ name: String, _ help: String, _ value: some BinaryInteger) {
        counter(name, help, [Sample([:], value)])
    }

    package mutating func gauge(_ name: String, _ help: String, _ value: some BinaryInteger) {
        gauge(name, help, [Sample([:], value)])
    }

    package mutating func histogram(_ name: String, _ help: String, _ all: [Labels: Histogram]) {
        guard !all.isEmpty else { return }
        head(name, help, .histogram)
        for (labels, histogram) in all.sorted(by: { Self.text(of: $0.key) < Self.text(of: $1.key) }) {
            var below: UInt64 = 0
            for (bound, count) in zip(histogram.bounds, histogram.counts) {
                below += count
                line("\(name)_bucket", labels, last: ("le", Self.text(of: bound)), Double(below))
            }
            line("\(name)_bucket", labels, last: ("le", "+Inf"), Double(histogram.count))
            line("\(name)_sum", labels, histogram.sum)
            line("\(name)_count", labels, Double(histogram.count))
        }
    }

    private mutating func family(_ name: String, _ help: String, _ kind: Kind, _ samples: [Sample]) {
        guard !samples.isEmpty else { return }
        head(name, help, kind)
        for sample in samples.sorted(by: { Self.text(of: $0.labels) < Self.text(of: $1.labels) }) {
            line(name, sample.labels, sample.value)
        }
    }

    private mutating func head(_ name: String, _ help: String, _ kind: Kind) {
        let escaped = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        text += "# HELP \(name) \(escaped)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    private mutating func line(
        _ name: String, _ labels: Labels, last: (name: String, value: String)? = nil, _ value: Double
    ) {
        var pairs = Self.text(of: labels)
        if let last { pairs += (pairs.isEmpty ? "" : ",") + "\(last.name)=\"\(last.value)\"" }
        text += name + (pairs.isEmpty ? "" : "{\(pairs)}") + " \(Self.text(of: value))\n"
    }

    private static func text(of labels: Labels) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value))\"" }.joined(separator: ",")
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    private static func text(of value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return value.isNaN ? "NaN" : value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : "\(value)"
    }
}
