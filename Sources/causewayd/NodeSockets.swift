import CausewayAgent
import CausewayKeeper
import CausewayLinux
import CausewayModel
import Glibc
import Logging

/// The sockets of this node that outlive the daemon, in the keeper's hands.
struct NodeSockets: SocketKeeping {
    let keeper: KeeperClient

    func keep(_ wanted: KeptSockets) async throws -> UnkeptSockets {
        var kept = Kept()
        kept.resolvers = wanted.resolvers.mapValues { .init(namespacePath: $0.namespacePath, table: $0.table) }
        // A port of SCTP is not kept: the kernel's translation needs no socket.
        let ports = wanted.ports.filter { $0.protocol != .sctp }
        kept.ports = Set(ports.map(Kept.Port.init))
        let refusals = try await keeper.keep(kept)

        var unkept = UnkeptSockets()
        for refusal in refusals.resolvers { unkept.resolvers[refusal.task] = refusal.reason }
        for refusal in refusals.ports {
            let holder = await Self.holder(refusal)
            for port in ports where Kept.Port(port) == refusal.port {
                unkept.ports.insert(PortTaken(port: port, holder: holder))
            }
        }
        return unkept
    }

    private static func holder(_ refusal: KeeperRefusals.Port) async -> String {
        let (port, number) = (refusal.port.port.protocol, refusal.port.port.port)
        guard refusal.errno == EADDRINUSE, let holder = try? await PortHolder.find(port, port: number) else {
            return refusal.reason
        }
        return holder.description
    }
}

extension Kept.Port {
    init(_ port: PublishedPort) {
        self.init(TransportPort(port.protocol, port.port), scope: port.scope)
    }
}

extension Settings {
    /// How this node's keeper is found, or started.
    var keeper: KeeperClient.Options {
        let program = startsKeeper ? KeeperProgram.besideThis : nil
        return KeeperClient.Options(
            socketPath: keeperSocket,
            program: program.map {
                KeeperProgram(path: $0, arguments: ["--socket", keeperSocket, "--log-level", logLevel.rawValue])
            }, release: Release.version)
    }
}
