import CausewayManager
import CausewayModel
import CausewaySession
import CausewayStore
import Logging

extension NodeRole: SwarmMembership {
    func membership() async -> Membership {
        if let member { return await describe(member) }
        return await manager.membership()
    }

    private func describe(_ member: Member) async -> Membership {
        var membership = Membership(
            state: newest == nil ? .pending : .active, nodeID: host.nodeID, nodeAddress: member.place.address,
            managers: await member.remote.managers.map { .init(nodeID: "", address: $0) })
        switch member.state {
        case .connecting, .connected: break
        case .lost(let reason): membership.error = reason
        case .ended(let end):
            membership.state = .error
            membership.error = end.description
        }
        return membership
    }

    func workerAssignment() async -> NodeAssignment? { member == nil ? nil : newest }

    // MARK: joining

    func join(_ request: SwarmJoin) async throws(SwarmError) {
        guard await !isInSwarm(), !isJoining else {
            throw SwarmError(
                .unavailable,
                "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another "
                    + "one.")
        }
        isJoining = true
        defer { isJoining = false }
        let obstacles = await host.obstacles()
        guard obstacles.isEmpty else { throw SwarmError(.unavailable, obstacles.joined(separator: "; ")) }
        let place = try await place(of: request)
        var hello = await host.hello(place)
        hello.routes = try await routes()
        _ = try await Joining(environment: environment).join(
            JoinRequest(token: request.token, nodeID: host.nodeID, hello: hello, availability: request.availability),
            through: request.remoteAddresses, folder: folder)
        try file.write(place)
        newest = nil
        try begin(place)
        log.info("joined a swarm", metadata: ["address": "\(place.address)"])
        try await wait("hear its first assignment") { self.newest != nil }
    }

    private func routes() async throws(SwarmError) -> [CIDR] {
        do { return try await host.routes() } catch {
            throw SwarmError(.internal, "cannot read this host's routes: \(error)")
        }
    }

    private func place(of request: SwarmJoin) async throws(SwarmError) -> MemberFile.Content {
        guard let first = request.remoteAddresses.first else {
            throw SwarmError(.invalid, "at least one RemoteAddr is required to join")
        }
        let address: IPAddress
        do {
            address =
                request.advertiseAddress.isEmpty
                ? try await host.source(first) : try await host.address(request.advertiseAddress)
        } catch let error as SwarmError {
            throw error
        } catch {
            throw SwarmError(.invalid, "cannot tell this node's own address: \(error); name it with --advertise-addr")
        }
        var place = MemberFile.Content(
            address: address, dataAddress: nil, listenAddress: request.listenAddress)
        guard !request.dataPathAddress.isEmpty else { return place }
        do { place.dataAddress = try await host.address(request.dataPathAddress) } catch {
            throw SwarmError(.invalid, "cannot use data path address '\(request.dataPathAddress)': \(error)")
        }
        return place
    }

    // MARK: leaving

    func leave(force: Bool) async throws(SwarmError) {
        guard let member else {
            if store.isLocked { return try await leaveLocked(force: force) }
            return try await manager.leave(force: force)
        }
        guard !member.isLeaving || isGivenUp else {
            throw SwarmError(.conflict, "this node is already leaving the swarm")
        }
        if !isGivenUp {
            self.member?.isLeaving = true
            do throws(SwarmError) {
                try await member.remote.leave()
            } catch {
                log.warning("no manager could be told that this node leaves", metadata: ["why": "\(error)"])
            }
            await member.ended.ring()
            await takeDown()
        }
        try NodeCredentials.remove(in: folder, memory: memory)
        try file.remove()
        self.member = nil
        newest = nil
        await member.ended.ring()
        log.info("left the swarm")
    }

    /// The cluster has ended the session: what this node ran runs elsewhere.
    private var isGivenUp: Bool {
        if case .ended(.removed)? = member?.state { true } else { false }
    }

    /// Takes everything down; that the node was a member stays known until it leaves.
    func giveUp() async {
        member?.isLeaving = true
        await takeDown()
        do {
            // What it was to do is not to be done again at the next start.
            if let newest { try KeptAssignment.write(newest, in: folder, memory: memory) }
        } catch {
            log.error("cannot forget what this node was to do", metadata: ["error": "\(error)"])
        }
    }

    /// Stops all tasks while their networks still stand, then has the agent take everything away.
    func takeDown() async {
        if var stopping = newest {
            for index in stopping.tasks.indices { stopping.tasks[index].desiredState = .shutdown }
            let tasks = stopping.tasks
            tell(stopping)
            await waitOrWarn("stop all tasks") {
                tasks.allSatisfy { $0.status.state.isTerminal || self.taskStates[$0.id]?.isTerminal ?? false }
            }
        }
        let empty = NodeAssignment(
            revision: max(newest?.revision ?? 0, applied) + 1, nodeID: host.nodeID, nodeNumber: newest?.nodeNumber ?? 0,
            hostname: newest?.hostname ?? "",
            uniqueLocalPrefix: newest?.uniqueLocalPrefix ?? CIDR(host: .v6(IPv6Address(high: 0, low: 0))))
        tell(empty)
        await waitOrWarn("take everything down") { self.applied >= empty.revision }
    }

    private func waitOrWarn(_ what: String, _ isDone: () -> Bool) async {
        do throws(SwarmError) { try await wait(what, isDone) } catch {
            log.error("\(error); leaving the swarm nevertheless")
        }
    }

    /// Waits for something that the agent or a manager does.
    private func wait(_ what: String, _ isDone: () -> Bool) async throws(SwarmError) {
        let deadline = ContinuousClock.now + patience
        while !isDone() {
            guard ContinuousClock.now < deadline, await Task.pause(for: .milliseconds(20)) else {
                throw SwarmError(.unavailable, "this node did not \(what) within \(patience)")
            }
        }
    }
}
