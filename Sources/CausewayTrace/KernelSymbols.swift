import CausewayPath
import Glibc

/// The kernel's functions by their addresses, from /proc/kallsyms, as far as it shows them.
enum KernelSymbols {
    /// An address as it stands in a sighting until its function is looked up: that takes longer than packets do.
    static func placeholder(_ address: UInt64) -> String { "0x" + String(address, radix: 16) }

    /// Sightings with functions' names in the place of their addresses.
    static func named(_ sightings: [Sighting]) -> [Sighting] {
        let addresses = Set(sightings.compactMap { address(in: $0) })
        guard !addresses.isEmpty else { return sightings }
        let names = functions(at: addresses.sorted())
        return sightings.map { sighting in
            guard let address = address(in: sighting), case .dropped(let reason, _) = sighting.event else {
                return sighting
            }
            var named = sighting
            named.event = .dropped(reason: reason, function: names[address])
            return named
        }
    }

    private static func address(in sighting: Sighting) -> UInt64? {
        guard case .dropped(_, let function?) = sighting.event, function.hasPrefix("0x") else { return nil }
        return UInt64(function.dropFirst(2), radix: 16)
    }

    /// The function in which each address is: the last one that begins at or before it.
    private static func functions(at addresses: [UInt64]) -> [UInt64: String] {
        guard let file = fopen("/proc/kallsyms", "re") else { return [:] }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var size = 0
        defer { free(line) }
        var best: [UInt64: (start: UInt64, name: String)] = [:]
        while getline(&line, &size, file) > 0 {
            guard let text = line else { continue }
            var rest: UnsafeMutablePointer<CChar>?
            let start = UInt64(strtoull(text, &rest, 16))
            // ` T name`
            guard start != 0, let rest, strlen(rest) > 3 else { continue }
            for address in addresses where start <= address && start > best[address]?.start ?? 0 {
                best[address] = (start, String(String(cString: rest + 3).prefix { !$0.isWhitespace }))
            }
        }
        return best.mapValues(\.name)
    }
}
