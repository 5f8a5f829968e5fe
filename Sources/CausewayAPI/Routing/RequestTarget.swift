import CausewayEngine

/// A request's target, taken apart: `/v1.50/services?status=true`.
struct RequestTarget: Sendable {
    /// The newest version of the API that is answered.
    static let newest = EngineVersion(1, 50)
    /// The oldest one.
    static let oldest = EngineVersion(1, 24)

    let version: EngineVersion?
    /// Without the version, as it was written, with the query.
    let rest: String
    /// The segments, decoded.
    let path: [String]
    let query: Query

    init(_ target: String) {
        let (version, rest) = Self.splitVersion(target)
        self.version = version
        self.rest = rest
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = parts[0].split(separator: "/").map { Query.unescape($0) }
        query = Query(parts.count > 1 ? parts[1] : "")
    }

    /// Refuses versions that are not spoken, in Docker's words.
    func check() throws(APIError) {
        guard let version else { return }
        guard version <= Self.newest else {
            throw APIError(
                400, "client version \(version) is too new. Maximum supported API version is \(Self.newest)")
        }
        guard version >= Self.oldest else {
            throw APIError(
                400,
                "client version \(version) is too old. Minimum supported API version is \(Self.oldest), please upgrade "
                    + "your client to a newer version")
        }
    }

    /// The target for an engine that speaks `engine` at most.
    func text(for engine: EngineVersion) -> String {
        version.map { "/v\(min($0, engine))\(rest)" } ?? rest
    }

    /// Another call of the same version.
    func text(for engine: EngineVersion, path: String, query: [(String, String)] = []) -> String {
        (version.map { "/v\(min($0, engine))" } ?? "") + EnginePath.target(path, query: query)
    }

    /// The same with one more parameter, which counts before one of the same name.
    func adding(_ name: String, _ value: String) -> RequestTarget {
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let added = "\(parts[0])?\(name)=\(EnginePath.escape(value))"
        return RequestTarget((version.map { "/v\($0)" } ?? "") + added + (parts.count > 1 ? "&\(parts[1])" : ""))
    }

    private static func splitVersion(_ target: String) -> (EngineVersion?, String) {
        guard target.hasPrefix("/v") else { return (nil, target) }
        let text = target.dropFirst(2).prefix { $0 != "/" && $0 != "?" }
        let rest = target.dropFirst(2 + text.count)
        guard let version = EngineVersion(String(text)), rest.hasPrefix("/") else { return (nil, target) }
        return (version, String(rest))
    }
}
