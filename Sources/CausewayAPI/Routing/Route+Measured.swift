import CausewayMetrics

extension Route {
    /// The same, with a note of how long each answer took to make: not how long it took to send.
    func measured(by stopwatch: Stopwatch) -> Route {
        let (method, path, handler) = (method, path, handler)
        return Route(method, path) { request throws(APIError) in
            let start = ContinuousClock.now
            var status = "2xx"
            defer {
                stopwatch.add(["method": method, "route": path, "status": status], ContinuousClock.now - start)
            }
            do throws(APIError) {
                let reply = try await handler(request)
                if case .passThrough = reply { status = "engine" }
                return reply
            } catch {
                status = error.status >= 500 ? "5xx" : "4xx"
                throw error
            }
        }
    }
}
