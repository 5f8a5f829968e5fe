/// Puts an eBPF program together, instruction by instruction; jumps go to labels (Documentation/bpf/standardization).
struct BPFAssembler {
    enum Register: UInt64 { case r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10 }
    enum Size: UInt64 {
        case word = 0x00
        case half = 0x08
        case byte = 0x10
        case double = 0x18
    }
    enum Condition: UInt64 {
        case equal = 0x10
        case notEqual = 0x50
        case bitsSet = 0x40
    }

    /// The kernel's helpers that our programs call, by their numbers (linux/bpf.h).
    enum Helper: Int32 {
        case now = 5
        case readKernel = 113
        case reserve = 131
        case submit = 132
    }

    struct Label: Hashable { fileprivate let number: Int }

    private(set) var instructions: [UInt64] = []
    private var labels = 0
    private var places: [Label: Int] = [:]
    private var jumps: [(at: Int, to: Label)] = []

    private mutating func append(
        _ code: UInt64, _ target: Register = .r0, _ source: UInt64 = 0, offset: Int16 = 0, value: Int32 = 0
    ) {
        instructions.append(
            code | target.rawValue << 8 | source << 12 | UInt64(UInt16(bitPattern: offset)) << 16
                | UInt64(UInt32(bitPattern: value)) << 32)
    }

    mutating func move(_ target: Register, _ source: Register) { append(0xbf, target, source.rawValue) }
    mutating func move(_ target: Register, _ value: Int32) { append(0xb7, target, value: value) }
    mutating func add(_ target: Register, _ value: Int32) { append(0x07, target, value: value) }
    mutating func add(_ target: Register, _ source: Register) { append(0x0f, target, source.rawValue) }
    mutating func and(_ target: Register, _ value: Int32) { append(0x57, target, value: value) }

    /// Reads: `target = *(source + offset)`.
    mutating func load(_ size: Size, _ target: Register, _ source: Register, _ offset: Int16) {
        append(0x61 | size.rawValue, target, source.rawValue, offset: offset)
    }

    /// Writes a register: `*(target + offset) = source`.
    mutating func store(_ size: Size, _ target: Register, _ offset: Int16, _ source: Register) {
        append(0x63 | size.rawValue, target, source.rawValue, offset: offset)
    }

    /// Writes a constant: `*(target + offset) = value`.
    mutating func store(_ size: Size, _ target: Register, _ offset: Int16, value: Int32) {
        append(0x62 | size.rawValue, target, offset: offset, value: value)
    }

    /// A map, by its descriptor: two instructions, of the kind BPF_PSEUDO_MAP_FD.
    mutating func loadMap(_ target: Register, _ descriptor: Int32) {
        append(0x18, target, 1, value: descriptor)
        append(0)
    }

    mutating func call(_ helper: Helper) { append(0x85, value: helper.rawValue) }
    mutating func exit() { append(0x95) }

    // MARK: jumps

    mutating func label() -> Label {
        labels += 1
        return Label(number: labels)
    }

    mutating func place(_ label: Label) { places[label] = instructions.count }

    /// Compares the lower 32 bits with a constant.
    mutating func jump(_ condition: Condition, _ register: Register, _ value: UInt32, to label: Label) {
        jumps.append((instructions.count, label))
        append(0x06 | condition.rawValue, register, value: Int32(bitPattern: value))
    }

    /// Compares all 64 bits with zero.
    mutating func jumpIfZero(_ register: Register, _ isZero: Bool, to label: Label) {
        jumps.append((instructions.count, label))
        append(0x05 | (isZero ? Condition.equal : .notEqual).rawValue, register)
    }

    mutating func jump(to label: Label) {
        jumps.append((instructions.count, label))
        append(0x05)
    }

    /// The program, its jumps filled in.
    func finished() -> [UInt64] {
        var program = instructions
        for (at, label) in jumps {
            let distance = Int16((places[label] ?? at) - at - 1)
            program[at] |= UInt64(UInt16(bitPattern: distance)) << 16
        }
        return program
    }
}
