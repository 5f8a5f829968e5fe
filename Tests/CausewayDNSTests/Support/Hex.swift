/// Bytes from hexadecimal text; white space and everything behind a `;` in a line is left out.
func hex(_ text: String) -> [UInt8] {
    let digits = text.split(whereSeparator: \.isNewline)
        .flatMap { $0.prefix { $0 != ";" } }.filter { !$0.isWhitespace }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0..<$0 + 2]), radix: 16)! }
}

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
