import CausewayModel
import NIOCore
import Synchronization

/// Services as JSON, each written once for as long as it stays the same.
///
/// Lists are asked for again and again (`service ls`, stacks, dashboards), and next to nothing has changed in between.
/// Only how many tasks run is counted anew.
final class RenderedServices: Sendable {
    private struct Entry {
        /// Each change of a service gives it another one.
        var version: Swarm.Version
        /// The whole object, braces included.
        var json: ByteBuffer
    }

    private let entries = Mutex<[Swarm.ID: Entry]>([:])

    /// A JSON array of services, in their order.
    ///
    /// `count`: how many services there are altogether; what is kept beyond twice as many is of services that are gone.
    func list(
        _ services: [Swarm.Service], of count: Int, status: ((Swarm.Service) -> Engine.Service.Status)?
    ) throws(APIError) -> ByteBuffer {
        entries.withLock { if $0.count > 2 * count { $0 = [:] } }
        var list = ByteBuffer()
        list.writeInteger(UInt8(ascii: "["))
        for (index, service) in services.enumerated() {
            if index > 0 { list.writeInteger(UInt8(ascii: ",")) }
            let json = try json(of: service)
            guard let status else {
                list.writeImmutableBuffer(json)
                continue
            }
            // In front of the last brace; an object of a service is never empty.
            list.writeBytes(json.readableBytesView.dropLast())
            list.writeString(",\(status(service).member)}")
        }
        list.writeInteger(UInt8(ascii: "]"))
        return list
    }

    private func json(of service: Swarm.Service) throws(APIError) -> ByteBuffer {
        let known = entries.withLock { $0[service.id] }
        if let known, known.version == service.meta.version { return known.json }
        let json = try JSON.bytes(Engine.Service(service))
        entries.withLock { $0[service.id] = Entry(version: service.meta.version, json: json) }
        return json
    }
}
