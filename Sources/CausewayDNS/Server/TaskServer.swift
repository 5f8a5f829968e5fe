import CausewayModel
import CausewaySockets
import Glibc

/// Serves one task's resolver on sockets that were bound in the task's network namespace.
final class TaskServer: EventHandler {
    let resolver: TaskResolver
    let sockets: DNSSockets
    private let service: ResolverSet
    private var connections: [CInt: StreamConnection] = [:]
    /// Queries over UDP that are under way upstream, and who asked.
    private var underWay: [ObjectIdentifier: (forward: Forward, asker: SocketName)] = [:]

    init(_ resolver: TaskResolver, _ sockets: DNSSockets, _ service: ResolverSet) {
        self.resolver = resolver
        self.sockets = sockets
        self.service = service
    }

    func start() {
        service.loop.watch(sockets.udp, .readable, self)
        service.loop.watch(sockets.tcp, .readable, self)
    }

    /// Closes sockets and connections.
    func stop() {
        service.loop.close(sockets.udp)
        service.loop.close(sockets.tcp)
        for (forward, _) in underWay.values { forward.cancel() }
        underWay = [:]
        for connection in connections.values { connection.close() }
    }

    func ready(_ descriptor: CInt, _ events: EventLoop.Events) {
        if descriptor == sockets.udp { answerDatagrams() } else { accept() }
    }

    // MARK: UDP

    private func answerDatagrams() {
        let batch = service.batch
        let count = batch.receive(sockets.udp)
        for index in 0..<count {
            let query = batch.question(index)
            if let length = QuickAnswer.write(
                query, resolver.names, into: batch.room(index), using: &service.order)
            {
                resolver.counters.queries += 1
                resolver.counters.own += 1
                resolver.counters.answeredWell()
                batch.answer(index, length: length)
            } else if let asker = batch.name(index) {
                answer(Array(query), asker)
            }
        }
        if count > 0 { resolver.counters.dropped += UInt64(batch.send(sockets.udp, count: count)) }
    }

    private func answer(_ query: [UInt8], _ asker: SocketName) {
        var key: ObjectIdentifier?
        let response = resolver.respond(to: query, over: .udp) { [weak self] reply in
            guard let self else { return }
            if let key { self.underWay[key] = nil }
            self.send(reply, to: asker)
        }
        switch response {
        case .now(let reply): send(reply, to: asker)
        case .later(let forward):
            key = ObjectIdentifier(forward)
            underWay[ObjectIdentifier(forward)] = (forward, asker)
        case .none: break
        }
    }

    private func send(_ reply: [UInt8], to asker: SocketName) {
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let sent = asker.withSocketAddress { sendto(sockets.udp, reply, reply.count, flags, $0, $1) }
        if sent < 0 { resolver.counters.dropped += 1 }
    }

    // MARK: TCP

    private func accept() {
        do throws(SocketError) {
            while let (socket, _) = try Socket.accept(sockets.tcp) {
                guard connections.count < service.limits.connections else {
                    resolver.counters.refusedConnections += 1
                    close(socket)
                    continue
                }
                add(socket)
            }
        } catch {
            // No descriptor is free. The connection waits in its queue; asked at once, the kernel would say the same.
            service.noteAcceptFailure(error)
            service.loop.ignore(sockets.tcp)
            service.loop.after(100_000_000) { [weak self] in
                guard let self, self.service.isServed(self) else { return }
                self.service.loop.watch(self.sockets.tcp, .readable, self)
            }
        }
    }

    private func add(_ socket: CInt, resuming state: StreamConnection.State? = nil) {
        let connection = StreamConnection(
            socket, resolver, service.limits, on: service.loop, resuming: state
        ) { [weak self] in self?.connections[$0.socket] = nil }
        connections[socket] = connection
        connection.start()
    }

    // MARK: from program to program

    var state: ResolverState {
        ResolverState(
            sockets: sockets, counters: resolver.counters, connections: connections.values.map(\.state),
            questions: underWay.values.map { .init(asker: $0.asker, query: $0.forward.query) })
    }

    func resume(_ state: ResolverState) {
        resolver.counters = state.counters
        for connection in state.connections { add(connection.socket, resuming: connection) }
        for question in state.questions { answer(question.query, question.asker) }
    }
}

/// What another program has to know to go on with one task's resolver.
package struct ResolverState: Codable {
    struct Question: Codable {
        var asker: SocketName
        var query: [UInt8]
    }

    package var sockets: DNSSockets
    var counters: DNSCounters
    var connections: [StreamConnection.State]
    var questions: [Question]

    /// Every descriptor that goes along.
    package var descriptors: [CInt] { [sockets.udp, sockets.tcp] + connections.map(\.socket) }
}
