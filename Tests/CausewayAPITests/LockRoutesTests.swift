import CausewayModel
import Foundation
import Testing

/// A swarm that locks, and a manager that is locked.
@Suite struct LockRoutesTests {
    private static let text = "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    private static let locked =
        "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to unlock "
        + "it."

    @Test(arguments: [
        (#"{"AutoLockManagers":true}"#, true), (#"{"Spec":{"EncryptionConfig":{"AutoLockManagers":true}}}"#, true),
        (#"{"AutoLockManagers":false,"Spec":{"EncryptionConfig":{"AutoLockManagers":false}}}"#, false), ("{}", false),
    ])
    func `a swarm begins with a lock if either field asks for it`(body: String, locks: Bool) async throws {
        try await House.with(active: false, script: OwnRoutesTests.engine) { house in
            let reply = try await house.call("POST", "/swarm/init", body)
            #expect(reply.status == 200, "\(reply.body)")
            #expect(await house.control.initializations.first?.spec.autoLocks == locks)
        }
    }

    @Test func `the unlock key is shown to a manager alone, and is in nothing else`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            #expect(try await house.call("GET", "/swarm/unlockkey").object["UnlockKey"] as? String == "")
            await house.control.setUnlockKey(try Swarm.UnlockKey(Self.text))
            #expect(try await house.call("GET", "/swarm/unlockkey").object["UnlockKey"] as? String == Self.text)
            for path in ["/swarm", "/info"] {
                #expect(try await !house.call("GET", path).body.contains("SWMKEY"), "\(path)")
            }
            let reply = try await house.call("POST", "/swarm/unlock", #"{"UnlockKey":"\#(Self.text)"}"#)
            #expect(reply.status == 409 && reply.message == "swarm is not locked")
        }
    }

    @Test func `an update asks for the rotations that it names`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            let reply = try await house.call(
                "POST", "/swarm/update?version=3&rotateManagerUnlockKey=true",
                #"{"EncryptionConfig":{"AutoLockManagers":true}}"#)
            #expect(reply.status == 200, "\(reply.body)")
            #expect(await house.control.rotations == [.unlockKey])
            #expect(await house.control.clusterState.spec.autoLocks)
        }
    }

    @Test func `a locked manager says so to every call, and is unlocked by its key alone`() async throws {
        try await House.with(script: OwnRoutesTests.engine) { house in
            await house.control.lock(with: try Swarm.UnlockKey(Self.text))

            for (method, path) in [
                ("GET", "/swarm"), ("GET", "/nodes"), ("GET", "/services"), ("GET", "/tasks"), ("GET", "/secrets"),
                ("GET", "/configs"), ("GET", "/swarm/unlockkey"), ("DELETE", "/services/web"),
                ("POST", "/swarm/update?version=3"), ("POST", "/services/create"),
            ] {
                let body = path.hasSuffix("create") ? Bodies.cliService : "{}"
                let reply = try await house.call(method, path, method == "POST" ? body : "")
                #expect(reply.status == 503 && reply.message == Self.locked, "\(path)")
            }
            let again = try await house.call("POST", "/swarm/init", "{}")
            #expect(again.status == 503 && again.message.hasPrefix("This node is already part of a swarm."))
            #expect(try await house.call("GET", "/_ping").header("Swarm") == "locked")
            let info = try #require(try await house.call("GET", "/info").object["Swarm"] as? [String: Any])
            #expect(info["LocalNodeState"] as? String == "locked" && info["ControlAvailable"] as? Bool == false)

            let none = try await house.call("POST", "/swarm/unlock", #"{"UnlockKey":"no key"}"#)
            #expect(none.status == 400 && none.message == "invalid key string")
            let wrong = try await house.call("POST", "/swarm/unlock", #"{"UnlockKey":"SWMKEY-1-AAAA"}"#)
            #expect(wrong.status == 401 && wrong.message == "swarm could not be unlocked: invalid key provided")
            let right = try await house.call("POST", "/swarm/unlock", #"{"UnlockKey":"\#(Self.text)"}"#)
            #expect(right.status == 200, "\(right.body)")
            #expect(try await house.call("GET", "/services").status == 200)
        }
    }

    @Test func `outside a swarm there is nothing to unlock`() async throws {
        try await House.with(active: false, script: OwnRoutesTests.engine) { house in
            let reply = try await house.call("POST", "/swarm/unlock", #"{"UnlockKey":"\#(Self.text)"}"#)
            #expect(reply.status == 503 && reply.message.hasPrefix("This node is not a swarm manager."))
        }
    }
}
