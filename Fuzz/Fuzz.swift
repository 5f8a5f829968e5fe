import Glibc

/// One kind of bytes that come from somebody else, and the code that reads them.
///
/// Code that is given the bytes may refuse them, by throwing or returning `nil`. What it must not do is crash, hang,
/// leak, or break a promise that ``promise(_:_:)`` names.
struct FuzzTarget: Sendable {
    var name: String
    var run: @Sendable ([UInt8]) -> Void

    static let all: [FuzzTarget] = [
        .httpMessage, .httpBody, .apiBody, .apiQuery, .dnsQuery, .dnsReply, .netlink, .nftables, .iptables, .ociConfig,
        .snapshot, .recording,
    ]

    /// The one that CAUSEWAY_FUZZ names: libFuzzer's command line belongs to libFuzzer.
    ///
    /// So does `main`: a wrong name has nobody to be thrown to. `scripts/fuzz` checks names before it starts anything.
    static let chosen: FuzzTarget = {
        let name = getenv("CAUSEWAY_FUZZ").map { String(cString: $0) } ?? ""
        guard let found = all.first(where: { $0.name == name }) else {
            fatalError("CAUSEWAY_FUZZ is '\(name)': it must be one of \(all.map(\.name).joined(separator: " "))")
        }
        return found
    }()
}

/// Ends the process when a promise is broken: a crash is how libFuzzer is told to keep the bytes that broke it.
func promise(_ isKept: Bool, _ words: @autoclosure () -> String) {
    guard !isKept else { return }
    fatalError("a promise is broken: \(words())")
}

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    FuzzTarget.chosen.run(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}
