import CausewayEngine
import CausewayModel
import Logging
import NIOCore

/// Hands Docker Engine's events on, as they are to those who use networks of ours; see ``EngineEvents``.
struct EventTranslation: Sendable {
    let backends: Backends
    let networkEvents: NetworkEvents

    /// Writes all but those of our containers with the network `none`.
    func pass(_ events: EngineStream, to writer: BodyWriter) async throws {
        var lines = WholeLines()
        for try await bytes in events {
            guard let whole = lines.take(bytes) else { continue }
            try await writer.write(EngineEvents.mayConcernUs(whole.readableBytesView) ? await shown(whole) : whole)
        }
        if let last = lines.finish() { try await writer.write(last) }
    }

    /// Writes, for each network of a container, that it joined or left.
    func translate(_ events: EngineStream, _ selection: EventSelection, to writer: BodyWriter) async throws {
        var lines = WholeLines()
        for try await bytes in events {
            for line in Self.split(lines.take(bytes)) {
                guard let object = JSONText(line)?.object, let connection = EngineEvents.connectionToNone(object)
                else { continue }
                for network in await networks(of: connection.container) ?? [] {
                    let event = NetworkEvent(
                        action: connection.action, network: network, container: connection.container,
                        time: connection.time)
                    if selection.contains(event) { try await writer.line(Engine.Event(event)) }
                }
            }
        }
    }

    private func shown(_ lines: ByteBuffer) async -> ByteBuffer {
        var shown = ByteBuffer()
        for line in Self.split(lines) {
            guard EngineEvents.mayConcernUs(line.readableBytesView), let object = JSONText(line)?.object else {
                shown.writeImmutableBuffer(line)
                shown.writeString("\n")
                continue
            }
            if let connection = EngineEvents.connectionToNone(object) {
                guard await networks(of: connection.container) == nil else { continue }
                shown.writeImmutableBuffer(line)
            } else {
                if let container = EngineEvents.containerOfOurs(object) { networkEvents.note(container) }
                shown.writeImmutableBuffer(JSONText(EngineEvents.withoutOwnLabels(object)).buffer)
            }
            shown.writeString("\n")
        }
        return shown
    }

    /// `nil` when the container is not on networks of ours, or nobody can say.
    private func networks(of container: String) async -> [Swarm.Network]? {
        do throws(APIError) {
            return networkEvents.networks(of: container, in: try await backends.roster())
        } catch {
            backends.logger.debug("an event is shown as it is", metadata: ["cause": "\(error)"])
            return nil
        }
    }

    private static func split(_ lines: ByteBuffer?) -> [ByteBuffer] {
        guard let lines else { return [] }
        return lines.readableBytesView.split(separator: UInt8(ascii: "\n")).map { ByteBuffer($0) }
    }
}
