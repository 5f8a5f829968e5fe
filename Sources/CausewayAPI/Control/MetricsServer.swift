import Hummingbird
import Logging

/// Serves `GET /metrics` on TCP, for Prometheus, and nothing else.
package struct MetricsServer: Sendable {
    private let host: String
    private let port: Int
    private let logger: Logger
    private let page: @Sendable () async -> String

    package init(host: String, port: Int, logger: Logger, page: @escaping @Sendable () async -> String) {
        self.host = host
        self.port = port
        self.logger = logger
        self.page = page
    }

    /// Serves until cancelled or shut down gracefully.
    package func run() async throws {
        let router = Router()
        Self.addRoute(to: router, page)
        let logger = logger
        let application = Application(
            router: router, configuration: .init(address: .hostname(host, port: port)),
            onServerRunning: { _ in logger.info("serving /metrics", metadata: ["address": "\(host):\(port)"]) },
            logger: logger.quieter)
        try await application.run()
    }

    static func addRoute(to router: Router<BasicRequestContext>, _ page: @escaping @Sendable () async -> String) {
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: await page())))
        }
    }
}

extension Logger {
    /// Without what a server's library says of its own comings and goings: it takes its end for an error.
    ///
    /// What keeps it from serving is thrown.
    var quieter: Logger {
        var logger = self
        logger.logLevel = .critical
        return logger
    }
}
