/// What is wrong with bytes that should have been HTTP/1.1.
struct HTTPFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// The status that says so to a client.
    var status: Int
    var message: String

    init(_ status: Int = 400, _ message: String) {
        self.status = status
        self.message = message
    }

    var description: String { message }
}
