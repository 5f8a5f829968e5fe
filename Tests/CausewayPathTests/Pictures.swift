import CausewayKernel
import CausewayModel
import Foundation
import Testing

@testable import CausewayPath

@Suite struct Pictures {
    @Test func `dump`() throws {
        let trace = try demo().inventory.ask(Question(target: "web:8080"), isReturning: true)
        try SVGRenderer().render(trace).write(toFile: "/tmp/path/a.svg", atomically: true, encoding: .utf8)
        let t2 = try demo().inventory.ask(Question(target: "web", from: "task:client.1"), isReturning: true)
        try SVGRenderer().render(t2).write(toFile: "/tmp/path/b.svg", atomically: true, encoding: .utf8)
        let t3 = try demo().inventory.ask(Question(target: "web:8080", from: "host"), isReturning: true)
        try SVGRenderer().render(t3).write(toFile: "/tmp/path/c.svg", atomically: true, encoding: .utf8)
        let t4 = try demo().inventory.ask(Question(target: "web.1", from: "task:other.1"), isReturning: true)
        try SVGRenderer().render(t4).write(toFile: "/tmp/path/d.svg", atomically: true, encoding: .utf8)
        try TextRenderer(isASCII: true).render(trace).write(toFile: "/tmp/path/golden.txt", atomically: true, encoding: .utf8)
    }
}
