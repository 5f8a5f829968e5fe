import CausewayModel

/// The body of `POST /swarm/join`, after its schema.
struct JoinBody: Decodable, Sendable {
    var listenAddress: String?
    var advertiseAddress: String?
    var dataPathAddress: String?
    var remoteAddresses: [String]?
    var token: String?
    var availability: String?

    enum CodingKeys: String, CodingKey {
        case listenAddress = "ListenAddr"
        case advertiseAddress = "AdvertiseAddr"
        case dataPathAddress = "DataPathAddr"
        case remoteAddresses = "RemoteAddrs"
        case token = "JoinToken"
        case availability = "Availability"
    }

    /// With names of links replaced by their addresses, and everything checked that needs nobody else.
    func resolved(by host: HostAddresses) throws(APIError) -> SwarmJoin {
        let remote = (remoteAddresses ?? []).filter { !$0.isEmpty }
        guard !remote.isEmpty else { throw APIError(400, "at least 1 RemoteAddr is required to join") }
        guard let token, !token.isEmpty else { throw APIError(400, "a join token is required to join a swarm") }
        var result = SwarmJoin(remoteAddresses: remote, token: token)
        if let text = listenAddress, !text.isEmpty { result.listenAddress = try host.resolve(text, as: .listen) }
        if let text = advertiseAddress { result.advertiseAddress = try host.resolve(text, as: .advertise) }
        if let text = dataPathAddress { result.dataPathAddress = try host.resolve(text, as: .dataPath) }
        if let text = availability, !text.isEmpty {
            guard let found = Swarm.Node.Availability(rawValue: text) else {
                throw APIError(400, "invalid Availability '\(text)': it must be active, pause or drain")
            }
            result.availability = found
        }
        return result
    }
}
