import CausewayKernel
import CausewayLinux
import Foundation

/// One slice of load by wrk(1), from a lab's client: as many requests as can be had, from 16 connections on one thread.
struct WrkRun {
    /// Whether a connection is kept for many requests, or carries one.
    enum Kind: String, Codable, CaseIterable {
        case requests, connections
    }

    /// What one slice gave.
    struct Figures: Codable, Hashable {
        /// Answers in a second.
        var rate: Double
        /// From a request's start to its answer, milliseconds; with `connections` from the connection's start.
        var p50: Double
        var p99: Double
    }

    static let connections = 16

    var namespace: NetworkNamespace
    /// Where the script is that prints what was measured.
    var script: String
    var seconds: Int

    /// Written for wrk 4: `summary` and `latency` are its own names, in microseconds.
    static let scriptText = """
        done = function(summary, latency, requests)
          local e = summary.errors
          io.write(string.format("\\n{\\"requests\\":%d,\\"duration\\":%d,\\"p50\\":%d,\\"p99\\":%d,\\"errors\\":%d}\\n",
            summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
            e.connect + e.read + e.write + e.status + e.timeout))
        end

        """

    private struct Summary: Decodable {
        var requests: Double
        var duration: Double
        var p50: Double
        var p99: Double
        var errors: Int
    }

    static func checkInstalled() throws(Failure) {
        guard Command.find("wrk") == nil else { return }
        throw Failure(what: "cannot measure", cause: "there is no wrk", remedy: "install it: apt-get install wrk")
    }

    func callAsFunction(_ kind: Kind, _ url: String) async throws -> Figures {
        // Without a space after the colon wrk leaves the header out, and says nothing.
        let header = kind == .connections ? ["--header", "Connection: close"] : []
        let words =
            ["wrk", "--threads", "1", "--connections", "\(Self.connections)", "--duration", "\(seconds)s"]
            + ["--timeout", "3s", "--script", script] + header + [url]
        let output = try await namespace.perform { try Command(words).run() }
        let last = output.output.split(separator: "\n").last.map(String.init) ?? ""
        guard output.status == 0, let summary = try? JSONDecoder().decode(Summary.self, from: Data(last.utf8)) else {
            throw Failure(
                what: "'\(words.joined(separator: " "))' failed",
                cause: output.errors.isEmpty ? last : output.errors, remedy: "")
        }
        guard summary.requests > 0, summary.errors == 0 else {
            throw Failure(
                what: "\(url) cannot be measured",
                cause: "\(summary.errors) of \(Int(summary.requests)) requests failed",
                remedy: "ask it once by hand: causeway lab exec client -- curl -v \(url)")
        }
        return Figures(
            rate: summary.requests / summary.duration * 1e6, p50: summary.p50 / 1000, p99: summary.p99 / 1000)
    }
}
