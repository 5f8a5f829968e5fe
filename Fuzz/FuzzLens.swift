import CausewayKernel
import CausewayModel
import FoundationEssentials

@testable import CausewayPath

extension FuzzTarget {
    /// A snapshot that somebody sent: read, walked through, drawn and examined.
    static let snapshot = FuzzTarget(name: "snapshot") { bytes in
        guard let inventory = try? JSONDecoder().decode(Inventory.self, from: Data(bytes)) else { return }
        look(at: inventory)
    }

    /// A folder of what programs printed: each file's path, a NUL, its text, a NUL.
    static let recording = FuzzTarget(name: "recording") { bytes in
        let pieces = bytes.split(separator: 0, omittingEmptySubsequences: false)
        var files: [String: [UInt8]] = [:]
        for index in stride(from: 0, to: pieces.count - 1, by: 2) {
            files[String(decoding: pieces[index], as: UTF8.self)] = Array(pieces[index + 1])
        }
        guard let inventory = try? Recording(files: files, fallbackName: "host").inventory() else { return }
        look(at: inventory)
    }

    private static func look(at inventory: Inventory) {
        for target in ["web:8080", "10.0.0.5:80", "[fd00::5]:80", "web"] {
            for from in [nil, "host", "task:web.1"] {
                guard let trace = try? ask(Question(target: target, from: from), inventory) else { continue }
                // Names of others' things go to a terminal: none of them may command it.
                promise(
                    !TextRenderer().render(trace).unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" },
                    "a control character is drawn")
            }
        }
        _ = Checkup().examine(Patient([inventory]))
    }

    private static func ask(_ question: Question, _ inventory: Inventory) throws -> Trace {
        let tracer = PathTracer(inventory)
        let answer = try tracer.resolve(question)
        return try tracer.trace(answer.packet, from: answer.entry, names: answer.names, isReturning: true)
    }
}
