import CausewayKernel
import CausewayModel
import Foundation
import Testing

/// SplitMix64: small, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// Neighbouring seeds must not give one sequence, shifted: so the seed is mixed by another constant.
    init(seed: UInt64) {
        state = (seed ^ (seed << 32)) &* 0xd129_42f0_3d5f_41b5
        state = next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &self)] }
}

func fixture(_ name: String) throws -> String {
    let url = try #require(
        Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Fixtures"))
    return try String(contentsOf: url, encoding: .utf8)
}

func ip(_ text: String) -> IPAddress { IPAddress(text) ?? .v4(IPv4Address(rawValue: 0)) }

func cidr(_ text: String) -> CIDR { CIDR(text) ?? CIDR(host: ip("0.0.0.0")) }

func address(_ text: String) -> Nft.Value { .address(ip(text)) }

func prefix(_ text: String) -> Nft.Value { .prefix(cidr(text)) }

extension Nft.Operand {
    static func set(_ name: String) -> Nft.Operand { .value(.set(name)) }
    static func name(_ name: String) -> Nft.Operand { .value(.name(name)) }
    static func number(_ number: UInt64) -> Nft.Operand { .value(.number(number)) }
}
