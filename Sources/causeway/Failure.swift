import ArgumentParser
import Foundation

/// Why a command could not do its work: what was tried, why it failed, what to do.
struct Failure: Error, CustomStringConvertible {
    var what: String
    var cause: String
    var remedy: String

    var description: String { "\(what): \(cause)" + (remedy.isEmpty ? "" : "; \(remedy)") }
}

/// Words for the one who reads, apart from the answer.
enum Console {
    static func note(_ text: String) {
        FileHandle.standardError.write(Data("causeway: \(text)\n".utf8))
    }

    /// A locale that says it has nothing but ASCII.
    static var wantsASCII: Bool {
        let environment = ProcessInfo.processInfo.environment
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        return locale == "C" || locale == "POSIX"
    }

    /// Writes an answer to a file, or to standard output.
    static func write(_ text: String, to file: String?) throws(Failure) {
        guard let file else {
            FileHandle.standardOutput.write(Data(text.utf8))
            return
        }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
            throw Failure(
                what: "cannot write '\(file)'", cause: error.localizedDescription,
                remedy: "is the directory there, and writable?")
        }
    }
}
