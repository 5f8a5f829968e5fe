import CausewayModel
import NIOCore

@testable import CausewayAPI

extension FuzzTarget {
    /// The JSON bodies of our own calls; the first byte chooses the call.
    static let apiBody = FuzzTarget(name: "api-body") { bytes in
        guard let kind = bytes.first, let json = try? JSON.parse(ByteBuffer(bytes: bytes.dropFirst())) else { return }
        switch kind % 5 {
        case 0: read(json, .service) { (try JSON.model($0) as Swarm.ServiceSpec).self }
        case 1: read(json, .network) { try NetworkBody.specification($0) }
        case 2:
            read(json, .swarmInit) { body in
                let given: InitBody = try JSON.model(body)
                return try given.resolved(by: HostAddresses(["eth0": [IPAddress.v4(IPv4Address(rawValue: 1))]])).spec
            }
        case 3: read(json, .cluster) { (try JSON.model($0) as Swarm.ClusterSpec).self }
        default: read(json, .node) { (try JSON.model($0) as Swarm.Node.Spec).self }
        }
    }

    /// What a schema lets through is a fixed point of it, and what is read from it can be stored and read again.
    private static func read<T: Codable & Equatable>(
        _ json: JSONValue, _ schema: BodySchema, as model: (JSONValue) throws -> T
    ) {
        guard let body = try? schema.canonicalize(json) else { return }
        promise((try? schema.canonicalize(body)) == body, "a canonical body is not canonical: \(body)")
        guard let value = try? model(body) else { return }
        guard let stored = try? JSON.bytes(value), let again: T = try? JSON.model(JSON.parse(stored)) else {
            return promise(false, "what was read cannot be stored: \(value)")
        }
        promise(again == value, "\(value) comes back as \(again)")
    }

    /// A request's target, with its filters.
    static let apiQuery = FuzzTarget(name: "api-query") { bytes in
        let target = RequestTarget(String(decoding: bytes, as: UTF8.self))
        _ = try? Filters(target.query, allowed: ["id", "name", "label", "mode"])
        _ = try? NetworkFilters(target.query)
        _ = try? target.query.version(of: "service")
        _ = target.query.flag("all")
        _ = PathPattern("/services/{id}/{rest...}").match(target.path)
    }
}
