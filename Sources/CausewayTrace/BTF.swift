import CausewayKernel
import CausewayLinux
import Glibc

/// The kernel's own description of its types (BTF, Documentation/bpf/btf.rst): where the members of structures are.
struct BTF {
    /// What a type is; the numbers are BTF_KIND_….
    enum Kind: UInt32 {
        case pointer = 2
        case structure = 4
        case union = 5
        case enumeration = 6
        case typedef = 8
        case prototype = 13
    }

    private struct Entry {
        let name: Int
        let info: UInt32
        /// Size, or the type that it stands for.
        let value: UInt32
        /// Where what belongs to it begins.
        let at: Int

        var kind: UInt32 { info >> 24 & 0x1f }
        var count: Int { Int(info & 0xffff) }
    }

    static let path = "/sys/kernel/btf/vmlinux"

    private let bytes: [UInt8]
    private let strings: Int
    /// By number; the first one is nothing.
    private var places: [UInt32] = [0]
    private var names: [Int: [UInt32]] = [:]

    init() throws(KernelError) {
        let step = "read the kernel's types (\(Self.path))"
        guard let bytes = ProcFile.read(Self.path) else { throw KernelError(step, errno: errno) }
        func word(_ at: Int) -> Int { Int(Self.word(bytes, at)) }
        guard bytes.count > 24, bytes[0] == 0x9f, bytes[1] == 0xeb else {
            throw KernelError(step: step, reason: .invalid, detail: "it does not begin as BTF does")
        }
        let header = word(4)
        let (types, end) = (header + word(8), header + word(8) + word(12))
        strings = header + word(16)
        guard end <= bytes.count, strings + word(20) <= bytes.count else {
            throw KernelError(step: step, reason: .invalid, detail: "it is shorter than it says")
        }
        self.bytes = bytes
        index(from: types, to: end)
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        guard at >= 0, at + 4 <= bytes.count else { return 0 }
        return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
    }

    private func word(_ at: Int) -> UInt32 { Self.word(bytes, at) }

    private mutating func index(from start: Int, to end: Int) {
        var places: [UInt32] = [0]
        var names: [Int: [UInt32]] = [:]
        places.reserveCapacity((end - start) / 20)
        bytes.withUnsafeBytes { raw in
            var at = start
            while at + 12 <= end {
                let info = raw.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)
                let kind = info >> 24 & 0x1f
                if kind == 4 || kind == 6 || kind == 8 {
                    let name = Int(raw.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                    if name != 0 { names[name, default: []].append(UInt32(places.count)) }
                }
                places.append(UInt32(at))
                at += 12 + Self.extra(kind, Int(info & 0xffff))
            }
        }
        self.places = places
        self.names = names
    }

    /// How many bytes follow the twelve that all types have.
    private static func extra(_ kind: UInt32, _ count: Int) -> Int {
        switch kind {
        case 1, 14, 17: 4
        case 3: 12
        case 4, 5, 15, 19: count * 12
        case 6, 13: count * 8
        default: 0
        }
    }

    private func entry(_ number: UInt32) -> Entry? {
        guard number > 0, Int(number) < places.count else { return nil }
        let at = Int(places[Int(number)])
        return Entry(name: Int(word(at)), info: word(at + 4), value: word(at + 8), at: at + 12)
    }

    private func text(_ offset: Int) -> String {
        let start = strings + offset
        guard start < bytes.count else { return "" }
        return String(decoding: bytes[start...].prefix { $0 != 0 }, as: UTF8.self)
    }

    private func isText(_ offset: Int, _ wanted: [UInt8]) -> Bool {
        let start = strings + offset
        guard start + wanted.count < bytes.count, bytes[start + wanted.count] == 0 else { return false }
        return bytes[start..<start + wanted.count].elementsEqual(wanted)
    }

    // MARK: questions

    /// The number of a type by its name; `nil` when the kernel has none such.
    func number(of name: String, _ kind: Kind) -> UInt32? {
        let wanted = Array(name.utf8)
        for (offset, numbers) in names where isText(offset, wanted) {
            if let number = numbers.first(where: { entry($0)?.kind == kind.rawValue }) { return number }
        }
        return nil
    }

    /// Where a member of a structure begins, in bytes: also of one within a member that has no name.
    func offset(of member: String, in structure: String) -> Int? {
        number(of: structure, .structure).flatMap { offset(of: Array(member.utf8), in: $0, depth: 0) }.map { $0 / 8 }
    }

    private func offset(of member: [UInt8], in number: UInt32, depth: Int) -> Int? {
        guard depth < 8, let structure = entry(number), structure.kind == 4 || structure.kind == 5 else { return nil }
        let hasFields = structure.info >> 31 != 0
        for index in 0..<structure.count {
            let at = structure.at + index * 12
            let (name, type, place) = (Int(word(at)), word(at + 4), word(at + 8))
            let bits = Int(hasFields ? place & 0xff_ffff : place)
            if name != 0, isText(name, member) { return bits }
            if name == 0, let inner = offset(of: member, in: type, depth: depth + 1) { return bits + inner }
        }
        return nil
    }

    /// The names of an enumeration's values.
    func names(of enumeration: String) -> [UInt32: String] {
        guard let found = number(of: enumeration, .enumeration).flatMap({ entry($0) }) else { return [:] }
        return Dictionary(
            (0..<found.count).map { (word(found.at + $0 * 8 + 4), text(Int(word(found.at + $0 * 8)))) }
        ) { first, _ in first }
    }

    /// How many arguments the function behind a typedef of a pointer takes.
    func arguments(of typedef: String) -> Int? {
        guard let pointer = number(of: typedef, .typedef).flatMap({ entry($0) }).flatMap({ entry($0.value) }),
            pointer.kind == Kind.pointer.rawValue, let function = entry(pointer.value),
            function.kind == Kind.prototype.rawValue
        else { return nil }
        return function.count
    }
}
