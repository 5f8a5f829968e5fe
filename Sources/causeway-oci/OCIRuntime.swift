import Glibc

/// An OCI runtime that puts a container into a network namespace prepared by Causeway, then becomes the real runtime.
///
/// Only calls that make a container are looked at; every other call, and every container without a mapping file, is
/// handed on unchanged. It does not return unless something failed.
struct OCIRuntime {
    /// The process's own argument vector: handed on byte for byte, so never through `String`.
    let arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    /// Edits the bundle where that is called for and executes the real runtime; returns an exit status on failure.
    func run() -> CInt {
        let texts = sequence(first: arguments) { $0 + 1 }.prefix { $0.pointee != nil }
            .compactMap { $0.pointee.map { String(cString: $0) } }
        let invocation = Invocation(Array(texts.dropFirst()))
        do throws(Refusal) {
            try Preparation(invocation: invocation, settings: Settings()).run()
            try handOn()
        } catch {
            RuntimeLog(invocation).write(error.message)
            return 1
        }
    }

    private func handOn() throws(Refusal) -> Never {
        let runtime = try Settings().runtime()
        let argv = UnsafeMutablePointer(mutating: arguments)
        runtime.withCString { path in
            argv.pointee = UnsafeMutablePointer(mutating: path)
            _ = execvp(path, argv)
        }
        throw Refusal(
            "cannot execute the OCI runtime \"\(runtime)\": \(errorText(errno)); name an installed one in "
                + Settings.runtimeFile)
    }
}

/// Why a container cannot be made: the sentence that Docker shows.
struct Refusal: Error, Equatable {
    let message: String

    init(_ message: String) {
        self.message = message
    }
}

/// The C library's text for `errno`.
func errorText(_ code: CInt) -> String {
    strerror(code).map { String(cString: $0) } ?? "error \(code)"
}
