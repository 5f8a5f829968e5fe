import Foundation
import Testing

@testable import CausewayModel

@Suite struct `An unlock key` {
    @Test func `has swarmkit's form`() throws {
        let key = try Swarm.UnlockKey("SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
        #expect(key.bytes == Data(0..<32))
        #expect(key.text == "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
        var generator = SystemRandomNumberGenerator()
        let drawn = Swarm.UnlockKey(using: &generator)
        #expect(drawn.text.count == 9 + 43 && drawn.bytes.count == 32)
        #expect(try Swarm.UnlockKey(drawn.text) == drawn && drawn != Swarm.UnlockKey(using: &generator))
        #expect(try JSONDecoder().decode([Swarm.UnlockKey].self, from: JSONEncoder().encode([drawn])) == [drawn])
    }

    @Test(arguments: [
        "", "abc", "SWMKEY-1", "SWMKEY-2-AAAA", "SWMKEY-1-AAA=", "SWMKEY-1-A", "SWMKEY-1-????", "swmkey-1-AAAA",
    ])
    func `is refused in Docker's words when it is none`(_ text: String) {
        #expect(throws: SwarmError(.invalid, "invalid key string")) { try Swarm.UnlockKey(text) }
    }

    @Test func `is printed by nobody`() throws {
        let key = try Swarm.UnlockKey("SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
        var dumped = ""
        dump([key], to: &dumped)
        for text in ["\(key)", "\(Optional(key) as Any)", String(reflecting: key), dumped] {
            #expect(!text.contains("AAEC") && !text.contains("32 bytes"), "\(text)")
        }
    }
}
