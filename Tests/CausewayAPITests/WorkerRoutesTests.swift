import CausewayModel
import Foundation
import Testing

/// A node that joins, and one that is a worker.
@Suite struct WorkerRoutesTests {
    private static let worker = Membership(
        state: .active, nodeID: FakeControl.nodeID, nodeAddress: IPAddress("192.0.2.7"),
        managers: [.init(nodeID: "manager1", address: "192.0.2.1:2377")])

    /// An engine that has no networks of its own.
    private static let engine: FakeEngine.Script = OwnRoutesTests.engine

    @Test func `joins with what the client said`() async throws {
        try await House.with(active: false, script: Self.engine) { house in
            let reply = try await house.call(
                "POST", "/v1.50/swarm/join",
                #"{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"192.0.2.7","DataPathAddr":"192.0.2.8","#
                    + #""RemoteAddrs":["192.0.2.1:2377"],"JoinToken":"SWMTKN-1-a-w","Availability":"pause"}"#)
            #expect(reply.status == 200, "\(reply.body)")
            let join = try #require(await house.control.joins.first)
            #expect(join.remoteAddresses == ["192.0.2.1:2377"] && join.token == "SWMTKN-1-a-w")
            #expect(join.advertiseAddress == "192.0.2.7" && join.dataPathAddress == "192.0.2.8")
            #expect(join.listenAddress == "0.0.0.0:2377" && join.availability == .pause)

            let again = try await house.call(
                "POST", "/v1.50/swarm/join", #"{"RemoteAddrs":["192.0.2.1:2377"],"JoinToken":"SWMTKN-1-a-w"}"#)
            #expect(again.status == 503 && again.message.hasPrefix("This node is already part of a swarm."))
        }
    }

    @Test(arguments: [
        (#"{"JoinToken":"t"}"#, "at least 1 RemoteAddr is required to join"),
        (#"{"RemoteAddrs":["192.0.2.1"]}"#, "a join token is required to join a swarm"),
        (
            #"{"RemoteAddrs":["192.0.2.1"],"JoinToken":"t","Availability":"no"}"#,
            "invalid Availability 'no': it must be active, pause or drain"
        ),
    ])
    func `refuses to join without knowing where, by what right, and how`(body: String, message: String) async throws {
        try await House.with(active: false, script: Self.engine) { house in
            let reply = try await house.call("POST", "/v1.50/swarm/join", body)
            #expect(reply.status == 400 && reply.message == message)
            #expect(await house.control.joins.isEmpty)
        }
    }

    @Test func `shows a worker's standing, and refuses a manager's calls in Docker's words`() async throws {
        try await House.with(active: false, script: Self.engine) { house in
            await house.control.become(Self.worker)
            let ping = try await house.call("GET", "/_ping")
            #expect(ping.header("Swarm") == "active/worker")
            let swarm = try #require(try await house.call("GET", "/v1.50/info").object["Swarm"] as? [String: Any])
            #expect(swarm["LocalNodeState"] as? String == "active")
            #expect(swarm["ControlAvailable"] as? Bool == false)
            #expect(swarm["NodeAddr"] as? String == "192.0.2.7")
            let managers = try #require(swarm["RemoteManagers"] as? [[String: String]])
            #expect(managers == [["NodeID": "manager1", "Addr": "192.0.2.1:2377"]])
            for (method, path) in [
                ("GET", "/swarm"), ("GET", "/nodes"), ("GET", "/services"), ("GET", "/tasks"), ("GET", "/secrets"),
                ("GET", "/swarm/unlockkey"), ("GET", "/nodes/self"),
            ] {
                let reply = try await house.call(method, "/v1.50\(path)")
                #expect(
                    reply.status == 503 && reply.message.contains("Worker nodes can't be used to view or modify"),
                    "\(path): \(reply.body)")
            }
            let initialized = try await house.call("POST", "/v1.50/swarm/init", "{}")
            #expect(initialized.status == 503 && initialized.message.hasPrefix("This node is already part of a swarm."))
            let left = try await house.call("POST", "/v1.50/swarm/leave?force=1")
            #expect(left.status == 200)
        }
    }

    @Test func `shows the networks that a worker was assigned`() async throws {
        try await House.with(active: false, script: Self.engine) { house in
            let network = Swarm.Network(
                id: "net1", meta: FakeControl.meta(1), spec: Swarm.NetworkSpec(name: "demo"),
                subnets: [Swarm.Subnet(subnet: CIDR("10.0.1.0/24")!, gateway: IPAddress("10.0.1.1")!)])
            let assignment = NodeAssignment(
                revision: 3, nodeID: FakeControl.nodeID, nodeNumber: 2, hostname: "n2",
                uniqueLocalPrefix: CIDR("fd00:1:2::/48")!, networks: [network])
            await house.control.become(Self.worker, assigned: assignment)

            let listed = try await house.call("GET", "/v1.50/networks").list
            #expect(listed.contains { $0["Name"] as? String == "demo" && $0["Driver"] as? String == "overlay" })
            #expect(try await house.call("GET", "/v1.50/networks/demo").object["Id"] as? String == "net1")
            #expect(try await house.call("DELETE", "/v1.50/networks/demo").status == 503)
            let run = try await house.call(
                "POST", "/v1.50/containers/create", #"{"Image":"x","HostConfig":{"NetworkMode":"demo"}}"#)
            #expect(run.status == 501 && run.message.contains("not supported on a worker yet"))
        }
    }
}
