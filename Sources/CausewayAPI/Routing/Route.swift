import CausewayEngine

/// One of our own calls: what it is called by, and who answers.
struct Route: Sendable {
    typealias Handler = @Sendable (APIRequest) async throws(APIError) -> APIReply

    let method: String
    let path: String
    let pattern: PathPattern
    let handler: Handler

    /// `path`: `/services/{id}/update`; `{name...}` catches one or more segments.
    init(_ method: String, _ path: String, _ handler: @escaping Handler) {
        self.method = method
        self.path = path
        pattern = PathPattern(path)
        self.handler = handler
    }
}

/// A path with holes.
struct PathPattern: Sendable {
    private enum Segment: Sendable {
        case literal(String)
        case one(String)
        case many(String)
    }

    private let segments: [Segment]

    init(_ path: String) {
        segments = path.split(separator: "/").map { part in
            guard part.hasPrefix("{"), part.hasSuffix("}") else { return .literal(String(part)) }
            let name = part.dropFirst().dropLast()
            return name.hasSuffix("...") ? .many(String(name.dropLast(3))) : .one(String(name))
        }
    }

    /// What the holes catch, or `nil` when the path is another.
    func match(_ path: [String]) -> [String: String]? { Self.match(segments[...], path[...]) }

    private static func match(_ pattern: ArraySlice<Segment>, _ path: ArraySlice<String>) -> [String: String]? {
        guard let segment = pattern.first else { return path.isEmpty ? [:] : nil }
        guard let part = path.first else { return nil }
        switch segment {
        case .literal(let text):
            return text == part ? match(pattern.dropFirst(), path.dropFirst()) : nil
        case .one(let name):
            return match(pattern.dropFirst(), path.dropFirst())?.merging([name: part]) { first, _ in first }
        case .many(let name):
            let count = path.count - (pattern.count - 1)
            guard count >= 1 else { return nil }
            let caught = path.prefix(count).joined(separator: "/")
            return match(pattern.dropFirst(), path.dropFirst(count))?.merging([name: caught]) { first, _ in first }
        }
    }
}

/// All of our own calls.
///
/// What is not among them is Docker Engine's.
struct RouteTable: Sendable {
    enum Match: Sendable {
        case ours(Route.Handler, captures: [String: String])
        case notFound
        case engine
    }

    private let routes: [String: [Route]]

    /// Method and path of every call of ours, in no order.
    var calls: [(method: String, path: String)] {
        routes.values.joined().map { ($0.method, $0.path) }
    }

    /// Calls below these are ours, so that what we do not know does not exist.
    private static let ownPrefixes: Set<String> = ["swarm", "services", "tasks", "nodes", "secrets", "configs"]

    init(_ routes: [Route]) { self.routes = Dictionary(grouping: routes, by: \.method) }

    func match(_ method: String, _ path: [String]) -> Match {
        for route in routes[method] ?? [] {
            if let captures = route.pattern.match(path) { return .ours(route.handler, captures: captures) }
        }
        return Self.ownPrefixes.contains(path.first ?? "") ? .notFound : .engine
    }
}
