import CausewayEngine
import NIOHTTP1

/// `/distribution/{image}/json`: which digest a name stands for.
///
/// The CLI asks before it creates a service, and waits. A registry that cannot be reached must not hold it up, so the
/// engine has a few seconds; then the local image's own record of its digest stands in.
struct DistributionRoutes: Sendable {
    let backends: Backends
    /// How long the engine may take to ask the registry.
    let limit: Duration

    var routes: [Route] {
        [Route("GET", "/distribution/{image...}/json") { request throws(APIError) in try await inspect(request) }]
    }

    private func inspect(_ request: APIRequest) async throws(APIError) -> APIReply {
        let image = request.capture("image")
        var refusal: APIError
        do {
            let path = "/distribution/\(image)/json"
            let found: JSONValue = try await backends.engine.get(
                path, headers: Self.auth(request), timeout: limit)
            return try .json(found)
        } catch let error as EngineError {
            refusal = APIError(error)
        } catch {
            refusal = APIError(500, "\(error)")
        }
        if let digest = try await localDigest(image) {
            return try .json(try await descriptor(of: image, digest))
        }
        if refusal.status == 502 {
            refusal = APIError(500, "no registry answered within \(limit) for \(image)")
        }
        throw refusal
    }

    private static func auth(_ request: APIRequest) -> [(String, String)] {
        request.headers.first(name: "x-registry-auth").map { [("X-Registry-Auth", $0)] } ?? []
    }

    /// The digest of the local image under that very repository, if it was ever pulled or pushed.
    private func localDigest(_ image: String) async throws(APIError) -> String? {
        guard let found = await local(image) else { return nil }
        let repository = Self.repository(of: image)
        return found["RepoDigests"]?.items?.compactMap(\.text).first { $0.hasPrefix("\(repository)@") }
            .flatMap { $0.split(separator: "@").last.map(String.init) }
    }

    private func descriptor(of image: String, _ digest: String) async throws(APIError) -> JSONValue {
        let found = await local(image)
        return .object([
            "Descriptor": .object([
                "mediaType": .string("application/vnd.docker.distribution.manifest.v2+json"),
                "digest": .string(digest), "size": .integer(0),
            ]),
            "Platforms": .array([
                .object([
                    "architecture": found?["Architecture"] ?? .string(""), "os": found?["Os"] ?? .string("linux"),
                ])
            ]),
        ])
    }

    /// `nil` when there is no such image here: the registry's refusal is then the answer.
    private func local(_ image: String) async -> JSONValue? {
        do { return try await backends.engine.get("/images/\(image)/json") } catch { return nil }
    }

    /// `busybox` of `docker.io/library/busybox:latest@sha256:…`, as `RepoDigests` spells it.
    static func repository(of image: String) -> String {
        var name = image.split(separator: "@").first.map(String.init) ?? image
        if let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") { name = String(name[..<colon]) }
        for prefix in ["docker.io/library/", "docker.io/", "library/"] where name.hasPrefix(prefix) {
            return String(name.dropFirst(prefix.count))
        }
        return name
    }
}
