extension Swarm {
    /// How a container is asked whether it is well (`HealthConfig` of the Engine API).
    ///
    /// What is absent, or 0, is the image's; Docker Engine does the asking, and takes it as it is.
    package struct HealthConfig: Hashable, Codable, Sendable {
        /// `NONE`, `CMD` with arguments, or `CMD-SHELL` with a command; empty: the image's.
        package var test: [String]?
        package var interval: Nanoseconds?
        package var timeout: Nanoseconds?
        /// Failures within it do not count.
        package var startPeriod: Nanoseconds?
        /// The interval within the start period; Docker Engine knows it from version 25 on.
        package var startInterval: Nanoseconds?
        /// Failures in a row that make a container unhealthy.
        package var retries: Int64?

        package init(test: [String]? = nil) { self.test = test }

        enum CodingKeys: String, CodingKey {
            case test = "Test"
            case interval = "Interval"
            case timeout = "Timeout"
            case startPeriod = "StartPeriod"
            case startInterval = "StartInterval"
            case retries = "Retries"
        }
    }
}
