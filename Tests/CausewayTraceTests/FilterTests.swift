import CLinux
import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath
@testable import CausewayTrace

struct FilterTests {
    private static func pattern(
        _ source: String?, _ destination: String?, sports: Set<UInt16> = [], dports: Set<UInt16> = [80],
        isAnswer: Bool = false, tunnel: UInt16? = nil
    ) -> FlowPattern {
        FlowPattern(
            transport: .tcp, source: source.flatMap { IPAddress($0) }, sourcePorts: sports,
            destination: destination.flatMap { IPAddress($0) }, destinationPorts: dports, isAnswer: isAnswer,
            tunnelPort: tunnel, tunnelFamily: tunnel == nil ? nil : .ip)
    }

    @Test func `a pattern is an exact rule`() {
        #expect(
            TraceRules.rule(Self.pattern("10.0.0.1", "10.0.0.2", sports: [5, 4]))
                == "meta l4proto 6 ip saddr 10.0.0.1 ip daddr 10.0.0.2 th sport { 4, 5 } th dport 80 "
                + "tcp flags & (fin | syn | rst | ack) == syn meta nftrace set 1")
        #expect(
            TraceRules.rule(Self.pattern("fd00::1", nil, isAnswer: true))
                == "meta l4proto 6 ip6 saddr fd00::1 th dport 80 tcp flags & (syn | rst) != 0x0 meta nftrace set 1")
    }

    @Test func `inside a tunnel the places are counted from the outer transport header`() {
        #expect(
            TraceRules.rule(Self.pattern("10.0.0.1", "10.0.0.2", tunnel: 4789))
                == "udp dport 4789 @th,312,8 6 @th,336,32 0x0a000001 @th,368,32 0x0a000002 @th,416,16 80 "
                + "@th,504,8 & 0x17 == 0x02 meta nftrace set 1")
    }

    @Test func `the table is owned by its socket, and looks at every hook first and last`() {
        let text = TraceRules(patterns: [Self.pattern("10.0.0.1", nil)]).text
        #expect(text.hasPrefix("table inet causeway_trace {\n flags owner;\n"))
        for hook in TraceTable.hooks {
            #expect(text.contains("type filter hook \(hook.rawValue) priority -1000; policy accept;"))
            #expect(text.contains("type filter hook \(hook.rawValue) priority 2147483647; policy accept;"))
        }
        #expect(text.components(separatedBy: "nftrace").count == TraceTable.entries.count + 1)
    }

    // MARK: captures

    private static let packet: [UInt8] =
        [0x45, 0, 0, 60, 0, 0, 0x40, 0, 63, 6, 0, 0, 10, 1, 1, 2, 10, 2, 1, 2, 0x9c, 0x40, 0, 80]

    @Test func `captures take what a pattern wants, by protocol and addresses`() {
        func takes(_ patterns: Set<FlowPattern>, _ packet: [UInt8]) -> Bool {
            run(CaptureFilter(patterns).instructions, packet) > 0
        }
        let wanted = Self.pattern("10.1.1.2", "10.2.1.2")
        let other = Self.pattern("10.1.1.3", "10.2.1.2")
        #expect(takes([wanted], Self.packet))
        #expect(takes([other, wanted], Self.packet))
        #expect(takes([Self.pattern(nil, "10.2.1.2")], Self.packet))
        #expect(!takes([other], Self.packet))
        #expect(!takes([Self.pattern("fd00::1", "fd00::2")], Self.packet))
        var datagram = Self.packet
        datagram[9] = 17
        #expect(!takes([wanted], datagram))
        datagram[22...23] = [0x12, 0xb5]
        #expect(takes([Self.pattern("10.9.0.1", nil, tunnel: 4789)], datagram))
        #expect(!takes([], Self.packet))
    }

    /// Runs a classic filter, as the kernel does.
    private func run(_ program: [clinux_filter], _ packet: [UInt8]) -> UInt32 {
        var (at, value) = (0, UInt32(0))
        while at < program.count {
            let one = program[at]
            at += 1
            let place = Int(one.value)
            switch one.code {
            case 0x30: value = UInt32(packet[place])
            case 0x28: value = UInt32(packet[place]) << 8 | UInt32(packet[place + 1])
            case 0x20: value = packet[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) }
            case 0x54: value &= one.value
            case 0x15: at += Int(value == one.value ? one.jump_true : one.jump_false)
            case 0x06: return one.value
            default: return 0
            }
        }
        return 0
    }

    // MARK: programs

    @Test func `jumps lead to their labels, forwards and over other instructions`() {
        var code = BPFAssembler()
        let end = code.label()
        code.jumpIfZero(.r1, true, to: end)
        code.move(.r0, 7)
        code.loadMap(.r2, 3)
        code.jump(.notEqual, .r3, 0xffff_fff0, to: end)
        code.place(end)
        code.exit()
        #expect(
            code.finished() == [
                // if r1 == 0 goto +4
                0x0000_0000_0004_0115,
                // r0 = 7
                0x0000_0007_0000_00b7,
                // r2 = map of descriptor 3, in two instructions
                0x0000_0003_0000_1218, 0,
                // if w3 != 0xfffffff0 goto +0
                0xffff_fff0_0000_0356,
                // exit
                0x0000_0000_0000_0095,
            ])
    }
}
